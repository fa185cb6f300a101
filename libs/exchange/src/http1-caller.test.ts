import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { lingerMsMax, restMsMax } from './bounds.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import type { HttpErrand } from './errand.ts';
import { Http1Caller } from './http1-caller.ts';
import { testBounds, testDoor, testFacts } from './test-door.ts';
import { withPair } from './test-pair.ts';
import { withTlsPair } from './test-tls-pair.ts';

/** Sends it in a piece of its own, which the connection has taken by then. */
async function sendPiece(server: Socket, caller: Socket, text: string): Promise<void> {
  const came = once(server, 'data');
  caller.write(text, 'latin1');
  await came;
}

test('a head that comes byte by byte has as long as any other', () =>
  withPair(async (server, caller) => {
    caller.setNoDelay(true);
    const closed = Promise.withResolvers<HttpConnection>();
    const connection = new Http1Caller(testDoor(closed.resolve), server, testFacts, 'id');
    // A lone CR may be half of an empty line, and no head has begun.
    connection.start(Buffer.from('\r'));
    await sendPiece(server, caller, '\nG');
    const begun = performance.now();
    for (const byte of 'ET / HTTP/1.1\r\nHost') await sendPiece(server, caller, byte);
    connection.tick(begun + testBounds.headTimeoutMs);
    let answer = '';
    for await (const piece of caller) answer += String(piece);
    assert.match(answer, /^HTTP\/1\.1 503 .*head slow/s);
    caller.end();
    assert.equal(await closed.promise, connection);
  }));

const cutAnywhere: [what: string, text: string, code: string][] = [
  ['a request', '\r\nGET /a HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n', 'NOWHERE'],
  ['what begins as HTTP/2 and is not', 'PRI * HTTP/2.0\r\n\r\nSX', 'HTTP_VERSION'],
];
for (const [what, text, code] of cutAnywhere) {
  test(`${what} is the same, at whichever byte it is cut`, async () => {
    for (let cut = 0; cut <= text.length; cut += 1) {
      await withPair(async (server, caller) => {
        const connection = new Http1Caller(testDoor(), server, testFacts, 'id');
        connection.start(Buffer.from(text.slice(0, cut)));
        caller.write(text.slice(cut));
        assert.match(String((await once(caller, 'data'))[0]), new RegExp(`^HTTP/1.1 503 .*${code}`, 's'));
      });
    }
  });
}

test('an answer that cannot be completed resets the connection under TLS, and the door hears that it is over', () =>
  withTlsPair(async (server, caller) => {
    const closed = Promise.withResolvers<HttpConnection>();
    const connection = new Http1Caller(testDoor(closed.resolve), server, testFacts, 'id');
    connection.start(Buffer.alloc(0));
    const head = { status: 200, reason: 'OK', minor: 1 as const, fields: [] };
    connection.sendHead({ head, framing: { kind: 'length', length: 100 }, fields: [], takesRest: true });
    connection.flush();
    caller.resume();
    await once(caller, 'data');
    const broke = once(caller, 'error');
    connection.abort();
    const [{ code }] = (await broke) as [NodeJS.ErrnoException];
    assert.equal(code, 'ECONNRESET');
    assert.equal(await closed.promise, connection);
  }));

test('an answer behind which the connection ends is not cut while its caller takes it', () =>
  withPair(async (server, caller) => {
    const connection = new Http1Caller(testDoor(), server, testFacts, 'id');
    caller.pause();
    const body = Buffer.alloc(8_000_000);
    const head = { status: 200, reason: 'OK', minor: 1 as const, fields: [] };
    connection.sendHead({
      head,
      framing: { kind: 'length', length: body.length },
      fields: [],
      takesRest: true,
    });
    connection.sendBody(body, null);
    connection.flush();
    connection.drain();
    assert.ok(server.writableLength > 0);
    const begun = performance.now();
    for (const seconds of [1, 3, 59]) connection.tick(begun + seconds * 1_000);
    caller.resume();
    let bytes = 0;
    for await (const piece of caller) bytes += (piece as Buffer).length;
    assert.ok(bytes > body.length);
  }));

test('an answer that its caller does not take ends the connection', () =>
  withPair(async (server, caller) => {
    const closed = Promise.withResolvers<HttpConnection>();
    const connection = new Http1Caller(testDoor(closed.resolve), server, testFacts, 'id');
    caller.pause();
    const head = { status: 200, reason: 'OK', minor: 1 as const, fields: [] };
    connection.sendHead({ head, framing: { kind: 'close' }, fields: [], takesRest: true });
    connection.sendBody(Buffer.alloc(8_000_000), null);
    connection.flush();
    const begun = performance.now();
    connection.tick(begun);
    connection.tick(begun + testBounds.bodyTimeoutMs * 10);
    assert.equal(await closed.promise, connection);
  }));

/** A door behind which every request gets a page at once, and the connection stays. */
function refusingDoor(onAnswered: () => void): HttpDoor {
  const cause = { code: 'NOWHERE', text: 'x'.repeat(500), end: 'edge' } as const;
  const never = (): never => assert.fail('nothing is sent');
  const errand: HttpErrand = {
    destinationId: 'd',
    resourceKey: 'd',
    names: { resource: 'r', front: 'f' } as unknown as HttpErrand['names'],
    port: 80,
    answerSeconds: 1,
    idleTimeoutSeconds: 0,
    whyNot: () => cause,
    nextWay: never,
    hasOther: never,
    silence: never,
    causeOfReset: never,
    onStart: () => {},
    onOpened: never,
    onOver: onAnswered,
  };
  return { ...testDoor(), errand: () => errand };
}

test('requests that were sent at once wait until their caller takes the answers, and all are answered then', () =>
  withPair(async (server, caller) => {
    const count = 20_000;
    let answered = 0;
    const connection = new Http1Caller(
      refusingDoor(() => (answered += 1)),
      server,
      testFacts,
      'id',
    );
    caller.pause();
    const sent = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(count));
    connection.start(sent.subarray(0, 65_536));
    caller.write(sent.subarray(65_536));
    while (!server.writableNeedDrain) await new Promise(setImmediate);
    const before = answered;
    assert.ok(before < count);
    assert.ok(server.writableLength < 2 * server.writableHighWaterMark, String(server.writableLength));
    caller.end();
    let answers = 0;
    let rest = '';
    for await (const piece of caller) {
      const parts = (rest + String(piece)).split('HTTP/1.1 503');
      answers += parts.length - 1;
      rest = parts.at(-1) ?? '';
    }
    assert.equal(answers, count);
    assert.equal(answered, count);
    assert.equal(connection.busy, false);
  }));

test('requests that are refused at once are taken in turns, also behind the end of what their caller sends', () =>
  withPair(async (server, caller) => {
    const requests = Array<string>(2_000).fill('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    let [answered, inTurn, most] = [0, 0, 0];
    const door = refusingDoor(() => {
      answered += 1;
      inTurn += 1;
      most = Math.max(most, inTurn);
    });
    caller.resume().end(requests.join(''));
    new Http1Caller(door, server, testFacts, 'id').start(Buffer.alloc(0));
    while (answered < requests.length && !server.destroyed) {
      await new Promise(setImmediate);
      inTurn = 0;
    }
    assert.equal(answered, requests.length);
    assert.ok(most < 200, `${most} in one turn`);
    await once(caller, 'end');
  }));

test('a body in chunks of one byte is taken in turns', () =>
  withPair(async (server, caller) => {
    const nothing = {
      bytesSent: 0,
      bytesReceived: 0,
      deliver: noop,
      end: noop,
      reset: noop,
      writeCopy: noop,
    };
    const stream = { phase: 'open', room: 1, events: {}, ...nothing };
    const errand = {
      answerSeconds: 5,
      names: { resource: 'a', resourceScheme: 'http', front: 'b', frontScheme: 'http' },
      whyNot: () => null,
      nextWay: () => ({ peerId: 'client', open: () => stream }),
      onStart: noop,
      onOpened: noop,
      onOver: noop,
    };
    const door: HttpDoor = { ...testDoor(), errand: () => errand as unknown as HttpErrand };
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const connection = new Http1Caller(door, server, testFacts, 'id');
    connection.start(Buffer.from(head));
    const chunks = '1\r\na\r\n'.repeat(500_000);
    caller.write(chunks);
    let [before, most] = [0, 0];
    while (before < chunks.length) {
      await new Promise(setImmediate);
      most = Math.max(most, server.bytesRead - before);
      before = server.bytesRead;
    }
    // The most that one read brings, and that of the next turn, when it was first.
    assert.ok(most <= 2 * 65_536, `${most} bytes in one turn`);
    assert.equal(connection.busy, true);
  }));

const noop = (): void => {};

test('a caller whose request is refused may send the rest of it, in bounds, and reads the answer behind', () =>
  withPair(async (server, caller) => {
    const closed = Promise.withResolvers<HttpConnection>();
    const connection = new Http1Caller(testDoor(closed.resolve), server, testFacts, 'id');
    connection.start(Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n'));
    const refused = performance.now();
    await sendPiece(server, caller, 'the rest');
    connection.tick(refused + lingerMsMax);
    assert.equal(server.destroyed, false);
    let answer = '';
    caller.on('data', (piece) => (answer += String(piece)));
    connection.tick(refused + restMsMax);
    assert.equal(await closed.promise, connection);
    assert.match(answer, /^HTTP\/1\.1 503/);
  }));
