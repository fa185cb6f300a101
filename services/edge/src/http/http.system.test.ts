import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../fixture/node.ts';
import { withHttp } from '../fixture/http-world.ts';

test('a request reaches the resource under its name, with who called, and its answer comes back', () =>
  withHttp(async ({ caller, connection, resourcePort, frontPort }) => {
    const one = caller().send(
      'GET /a/./b/../c?x=1 HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_Proto: x\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep: this\r\n\r\n',
    );
    const resource = await connection();
    const head = await resource.got('\r\n\r\n');
    const lines = head.split('\r\n');
    assert.equal(lines[0], 'GET /a/c?x=1 HTTP/1.1');
    assert.equal(lines[1], `Host: 127.0.0.1:${resourcePort}`);
    assert.ok(lines.includes('Keep: this'));
    assert.ok(lines.includes('Forwarded: for=127.0.0.1;host=shop.example;proto=http'));
    assert.ok(lines.includes('X-Forwarded-For: 127.0.0.1'));
    assert.ok(lines.includes('X-Forwarded-Host: shop.example'));
    assert.ok(lines.includes('X-Forwarded-Proto: http'));
    assert.ok(lines.includes(`X-Forwarded-Port: ${frontPort}`));
    assert.ok(lines.includes('Via: 1.1 postern'));
    assert.doesNotMatch(head, /6\.6\.6\.6|X_Forwarded|X-Gone|Connection/);
    resource.answer(
      `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${resourcePort}/next\r\nSet-Cookie: a=b; Domain=127.0.0.1; Path=/\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello`,
    );
    const answer = await one.got('hello');
    assert.match(answer, /^HTTP\/1\.1 302 Found\r\n/);
    assert.match(answer, /\r\nLocation: http:\/\/shop\.example\/next\r\n/);
    assert.match(answer, /\r\nVia: 1\.1 postern\r\n/);
    assert.match(answer, /\r\nPostern-Tracking-Id: [-0-9a-f]{36}\.1\r\n/);
    assert.match(answer, /\r\nSet-Cookie: a=b; Domain=shop\.example; Path=\/\r\n/);
    assert.doesNotMatch(answer, /Keep-Alive/);
  }));

test('the connection to the resource is used for the next request, of whichever caller', () =>
  withHttp(async ({ caller, connection, resource }) => {
    for (const index of [1, 2, 3]) {
      const one = caller().send(`GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const end = await connection();
      await end.got(`/${index}`);
      end.answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await one.got('ok');
    }
    assert.equal(resource.length, 1);
  }));

test('requests sent at once are answered one after the other', () =>
  withHttp(
    async ({ caller }) => {
      const one = caller().send(
        'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      );
      const answer = await one.ended();
      assert.deepEqual(answer.match(/path \/\d/g), ['path /1', 'path /2', 'path /3']);
    },
    {
      respond: (end) => {
        end.socket.on('data', () => {
          const path = /^GET (\S+)/.exec(end.received)?.[1] ?? '';
          end.answer(`HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npath ${path}`);
        });
      },
    },
  ));

test('a body streams both ways without being gathered, chunked and by length, with trailers', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;ext=1\r\nhello\r\n',
    );
    const end = await connection();
    assert.match(await end.got('hello'), /\r\nTransfer-Encoding: chunked\r\n.*\r\n\r\n5\r\nhello\r\n$/s);
    end.answer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await one.got('3\r\nabc\r\n');
    one.send('2\r\n, \r\n0\r\nX-Sum: 7\r\nConnection: close\r\n\r\n');
    await end.got('2\r\n, \r\n0\r\nX-Sum: 7\r\n\r\n');
    end.answer('0\r\nX-After: 1\r\n\r\n');
    await one.got('0\r\nX-After: 1\r\n\r\n');
  }));

test('100-continue is the resource’s to say', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send(
      'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    );
    const end = await connection();
    await end.got('Expect: 100-continue');
    end.answer('HTTP/1.1 100 Continue\r\n\r\n');
    await one.got('HTTP/1.1 100 Continue\r\n');
    one.send('ok');
    await end.got('ok');
    end.answer(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n',
    );
    const answer = await one.got(' 204 ');
    assert.match(answer, /103 Early Hints\r\nLink: <\/a>\r\n/);
    await until(() => one.received.endsWith('\r\n\r\n'));
    assert.doesNotMatch(answer, /Content-Length/);
  }));

for (const [what, framing, end] of [
  ['an error before the body that it waited with', 'Content-Length: 2\r\n\r\nno', 'no'],
  ['an answer that ends with its connection', '\r\nok', '2\r\nok\r\n'],
] as const) {
  test(`a caller that is answered with ${what} is told that its connection ends`, () =>
    withHttp(async ({ caller, connection }) => {
      const one = caller().send(
        'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
      );
      const resource = await connection();
      await resource.got('Expect: 100-continue');
      resource.answer(`HTTP/1.1 ${end === 'no' ? '401 Unauthorized' : '200 OK'}\r\n${framing}`);
      assert.match(await one.got(end), /^HTTP\/1.1 [24]0[01] [^]*\r\nConnection: close\r\n/);
    }));
}

test('a resource that closes behind an early answer is heard by the caller, who sends no more on that connection', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\nsome');
    const end = await connection();
    await end.got('some');
    end.answer('HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    assert.match(await one.got('\r\n\r\n'), /^HTTP\/1.1 413 [^]*\r\nConnection: close\r\n/);
  }));

test('after 101 bytes pass both ways, also those that came too early', () =>
  withHttp(async ({ caller, connection }) => {
    const one = caller().send(
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\nearly',
    );
    const end = await connection();
    const head = await end.got('\r\n\r\n');
    assert.match(head, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
    end.answer('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
    assert.match(await one.got('hello'), /\r\nupgrade: websocket\r\nconnection: upgrade\r\n/i);
    await end.got('early');
    one.send('GET / HTTP/1.1\r\n\r\n');
    await end.got('GET / HTTP/1.1\r\n\r\n');
    end.socket.end('bye');
    await one.got('bye');
    one.socket.end();
    await until(() => one.closed);
  }));
