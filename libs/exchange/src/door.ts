/** What a caller's connection needs of who serves it: where its requests go, and who is told what becomes of it. */
import type { Socket } from 'node:net';
import type { HttpBounds } from './bounds.ts';
import type { Cause, Voice } from './cause.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { HttpErrand } from './errand.ts';
import type { ConnectionFacts, HttpRequest } from './request.ts';

/** A caller's connection, of either version. */
export interface HttpConnection {
  readonly facts: ConnectionFacts;
  /** Whether a request is under way. */
  readonly busy: boolean;
  /** Takes no more requests; ends when those under way are answered. */
  drain(): void;
  close(): void;
  tick(now: number): void;
}

/** What all connections and exchanges of one end share. */
export interface HttpParts {
  bounds: HttpBounds;
  pool: ConnectionPool;
  voice: Voice;
}

/** What a connection needs. */
export interface HttpDoor {
  parts: HttpParts;
  draining(): boolean;
  /** What a request is for, or why it is for nothing here. */
  errand(request: HttpRequest): HttpErrand | Cause;
  /** A request was refused before it had an errand. */
  onRefused(trackingId: string, cause: Cause): void;
  onClosed(connection: HttpConnection): void;
  /** The caller speaks HTTP/2; what it sent is in the socket again. */
  takeHttp2(former: HttpConnection, socket: Socket): void;
}
