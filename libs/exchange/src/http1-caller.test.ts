import assert from 'node:assert/strict';
import { once } from 'node:events';
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
      voice: { end: 'edge', causeOf: () => cause, statusOf: () => 503 },
    },
    draining: () => false,
    errand: () => cause,
    onRefused: () => {},
    onClosed,
    takeHttp2: () => {},
  };
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
