import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { until } from '../fixture/node.ts';
import { type ResourceSocket, withHttp, withSession } from '../fixture/http-world.ts';

test('a resource that answers before the request is whole gets the rest of it, and the next request', () =>
  withHttp(async ({ caller, connection, resource }) => {
    const one = caller().send('POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome');
    const end = await connection();
    await end.got('some');
    end.answer('HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok');
    await one.got('ok');
    one.send(' more');
    await end.got(' more');
    one.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    await end.got('GET /2');
    end.answer('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo');
    await one.got('two');
    assert.equal(resource.length, 1);
  }));

for (const [what, after] of [
  ['the resource closes', (end: ResourceSocket) => end.socket.end()],
  ['the resource resets', (end: ResourceSocket) => end.socket.resetAndDestroy()],
] as const) {
  test(`an answer that came before the request was whole stays whole when ${what}`, () =>
    withHttp(async ({ caller, connection }) => {
      const one = caller().send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome');
      let errors = 0;
      one.socket.on('error', () => (errors += 1));
      const end = await connection();
      await end.got('some');
      end.answer('HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok');
      await one.got('ok');
      after(end);
      await one.ended();
      assert.equal(errors, 0);
    }));
}

test('over HTTP/2 too a resource that answers early gets the rest of the request', () =>
  withHttp((world) =>
    withSession(world, async (session) => {
      const stream = session.request({ ':method': 'POST', ':path': '/1' });
      stream.on('error', () => {});
      let body = '';
      stream.setEncoding('latin1').on('data', (text: string) => (body += text));
      stream.write('some');
      const end = await world.connection();
      await end.got('some');
      end.answer('HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok');
      await until(() => body === 'ok');
      stream.end(' more');
      await end.got(' more\r\n0\r\n\r\n');
    }),
  ));

test('a caller of HTTP/1.0 sees the end of an early answer, which is that of the connection', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send('POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome');
    const end = await connection();
    await end.got('some');
    end.answer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n');
    assert.match(await one.ended(), /\r\n\r\nok$/);
  }));

test('a request of HTTP/2 without a body has the length that HTTP/1.1 tells of it', () =>
  withHttp((world) =>
    withSession(world, async (session) => {
      for (const [method, headers, told] of [
        ['POST', { 'content-length': 0 }, true],
        ['POST', {}, true],
        ['PUT', {}, true],
        ['GET', {}, false],
        ['DELETE', {}, false],
      ] as const) {
        const stream = session.request({ ':method': method, ':path': '/', ...headers }, { endStream: true });
        const end = await world.connection();
        const head = await end.got('\r\n\r\n');
        assert.equal(/\r\ncontent-length: 0\r\n/i.test(head), told, head);
        end.answer('HTTP/1.1 204 No Content\r\n\r\n');
        stream.resume();
        await new Promise((resolve) => stream.once('close', resolve));
      }
    }),
  ));

test('letters beyond ASCII in a target reach the resource percent-encoded, over HTTP/2 too', () =>
  withHttp((world) =>
    withSession(world, async (session) => {
      const target = '/\xc3\xbcber?q=\xc3\xa4';
      const expected = /^GET \/%C3%BCber\?q=%C3%A4 HTTP\/1\.1\r\n/;
      world.caller().send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.match(await (await world.connection()).got('\r\n\r\n'), expected);
      session.request({ ':path': target }).on('error', () => {});
      assert.match(await (await world.connection(1)).got('\r\n\r\n'), expected);
    }),
  ));

test('an answer without Date gets the time at which it came, one with Date keeps its own', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    const end = await connection();
    await end.got('GET');
    end.answer('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none');
    const [, date = ''] =
      /\r\nDate: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)\r\n/.exec(await one.got('one')) ?? [];
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 60_000, one.received);
    one.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    await end.got('GET /2');
    end.answer('HTTP/1.1 200 OK\r\ndate: then\r\nContent-Length: 3\r\n\r\ntwo');
    assert.deepEqual((await one.got('two')).match(/\r\ndate: [^\r]*/gi), [
      `\r\nDate: ${date}`,
      '\r\ndate: then',
    ]);
    const refused = caller().send('GET / HTTP/1.1\r\n\r\n');
    assert.match(await refused.ended(), /^HTTP\/1.1 400 [^]*\r\nDate: /);
  }));

const cutBytes = 8_000_000;
const cutAnswer = `HTTP/1.1 200 OK\r\nContent-Length: ${cutBytes + 1}\r\n\r\n${'x'.repeat(cutBytes)}`;

test('what a resource sent before it broke off is with the caller before the connection ends', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller();
    one.socket.pause();
    one.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const end = await connection();
    await end.got('GET');
    end.answer(cutAnswer);
    end.socket.end();
    one.socket.resume();
    assert.equal((await one.ended()).replace(/^[^]*\r\n\r\n/, '').length, cutBytes);
  }));

test('over HTTP/2 too what a resource sent before it broke off is with the caller before the stream ends', () =>
  withHttp((world) =>
    withSession(world, async (session) => {
      const stream = session.request({});
      const failed = new Promise((resolve) => stream.once('error', resolve));
      let bytes = 0;
      const end = await world.connection();
      await end.got('GET');
      end.answer(cutAnswer);
      end.socket.end();
      stream.on('data', (piece: Buffer) => (bytes += piece.length));
      await failed;
      assert.deepEqual([bytes, stream.rstCode], [cutBytes, constants.NGHTTP2_INTERNAL_ERROR]);
    }),
  ));

test('a caller of HTTP/1.0 whose answer would end with the connection sees that it broke off', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    const failed = new Promise((resolve) => one.socket.once('error', resolve));
    const end = await connection();
    await end.got('GET');
    end.answer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
    await one.got('ok');
    end.socket.end();
    assert.equal(((await failed) as NodeJS.ErrnoException).code, 'ECONNRESET');
  }));
