/** What a caller's connection needs, of a test: where no request goes anywhere. */
import type { HttpBounds } from './bounds.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import type { ConnectionFacts } from './request.ts';

/** Bounds that no test hits by waiting. */
export const testBounds: HttpBounds = {
  head: { headBytesMax: 1_000, fieldsMax: 10 },
  headTimeoutMs: 60_000,
  bodyTimeoutMs: 60_000,
  answerTimeoutMs: 60_000,
  keepAliveMs: 60_000,
  requestsPerConnectionMax: 1,
  resourceKeepAliveMs: 60_000,
  resourceKeptMax: 1,
};

/** A caller of this machine, by TLS without a name. */
export const testFacts: ConnectionFacts = {
  caller: { address: '127.0.0.1', port: 1 },
  secure: true,
  serverName: null,
  certificate: null,
  trusted: false,
};

/** Each cause is told by its trouble, or as NOWHERE. */
export function testDoor(onClosed: (connection: HttpConnection) => void = () => {}): HttpDoor {
  const cause = { code: 'NOWHERE', text: 'nothing is served', end: 'edge' } as const;
  return {
    parts: {
      bounds: testBounds,
      pool: new ConnectionPool(testBounds),
      voice: { end: 'edge', causeOf: (trouble) => ({ ...cause, code: trouble }), statusOf: () => 503 },
    },
    draining: () => false,
    errand: () => cause,
    onRefused: () => {},
    onClosed,
    takeHttp2: () => {},
  };
}
