import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import type { HttpBounds } from './bounds.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import { Http1Caller } from './http1-caller.ts';
import type { ConnectionFacts } from './request.ts';
import { withTlsPair } from './test-tls-pair.ts';

const bounds: HttpBounds = {
  head: { headBytesMax: 1_000, fieldsMax: 10 },
  headTimeoutMs: 60_000,
  bodyTimeoutMs: 60_000,
  answerTimeoutMs: 60_000,
  keepAliveMs: 60_000,
  requestsPerConnectionMax: 1,
  resourceKeepAliveMs: 60_000,
  resourceKeptMax: 1,
};
const facts: ConnectionFacts = {
  caller: { address: '127.0.0.1', port: 1 },
  secure: true,
  serverName: null,
  certificate: null,
  trusted: false,
};

/** Where no request goes anywhere. */
function doorOf(onClosed: (connection: HttpConnection) => void): HttpDoor {
  const cause = { code: 'NOWHERE', text: 'nothing is served', end: 'edge' } as const;
  return {
    parts: {
      bounds,
      pool: new ConnectionPool(bounds),
      voice: { end: 'edge', causeOf: (trouble) => ({ ...cause, code: trouble }), statusOf: () => 503 },
    },
    draining: () => false,
    errand: () => cause,
    onRefused: () => {},
    onClosed,
    takeHttp2: () => {},
  };
}

/** Both ends of a connection; `server` is paused. */
async function withPair(work: (server: Socket, caller: Socket) => Promise<void>): Promise<void> {
  const listener = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const caller = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  const [server] = (await once(listener, 'connection')) as [Socket];
  try {
    await work(server, caller);
  } finally {
    server.destroy();
    caller.destroy();
    listener.close();
  }
}

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
    const connection = new Http1Caller(doorOf(closed.resolve), server, facts, 'id');
    // A lone CR may be half of an empty line, and no head has begun.
    connection.start(Buffer.from('\r'));
    await sendPiece(server, caller, '\nG');
    const begun = performance.now();
    for (const byte of 'ET / HTTP/1.1\r\nHost') await sendPiece(server, caller, byte);
    connection.tick(begun + bounds.headTimeoutMs);
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
        const connection = new Http1Caller(
          doorOf(() => {}),
          server,
          facts,
          'id',
        );
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
    const connection = new Http1Caller(doorOf(closed.resolve), server, facts, 'id');
    connection.start(Buffer.alloc(0));
    const head = { status: 200, reason: 'OK', minor: 1 as const, fields: [] };
    connection.sendHead({ head, framing: { kind: 'length', length: 100 }, fields: [] });
    connection.flush();
    caller.resume();
    await once(caller, 'data');
    const broke = once(caller, 'error');
    connection.abort();
    const [{ code }] = (await broke) as [NodeJS.ErrnoException];
    assert.equal(code, 'ECONNRESET');
    assert.equal(await closed.promise, connection);
  }));
