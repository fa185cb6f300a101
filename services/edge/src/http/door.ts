/** What a caller's connection needs of the node: where its requests go, and who is told what becomes of it. */
import type { Socket } from 'node:net';
import type { Route } from '@postern/contracts';
import type { CallerCause } from '../errors.ts';
import type { HttpParts } from './parts.ts';
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

/** What connections need. */
export interface HttpDoor {
  parts: HttpParts;
  draining(): boolean;
  /** The destination that a request is for, or why there is none. */
  route(request: HttpRequest): Route | CallerCause;
  /** A request was refused before it had a destination. */
  onRefused(connection: HttpConnection, trackingId: string, cause: CallerCause): void;
  onClosed(connection: HttpConnection): void;
  /** The caller speaks HTTP/2; what it sent is in the socket again. */
  takeHttp2(former: HttpConnection, socket: Socket): void;
}
