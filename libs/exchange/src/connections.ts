/**
 * The HTTP connections of callers at one end: taken, counted, drained, ended. Whose their requests are is for the errands
 * to say that each brings; a connection is no destination's.
 */
import type { Socket } from 'node:net';
import type { Cause } from './cause.ts';
import type { HttpConnection, HttpDoor, HttpParts } from './door.ts';
import type { HttpErrand } from './errand.ts';
import { Http1Caller } from './http1-caller.ts';
import { Http2Caller } from './http2-caller.ts';
import type { ConnectionFacts, HttpRequest } from './request.ts';

/** A connection on its way in. Who hands it over has nothing to do with its socket any more. */
export interface HttpArrival {
  /** Its requests are called by this and their number. */
  readonly trackingId: string;
  /** Paused. */
  readonly socket: Socket;
  /** What was read of it already. */
  readonly head: Buffer;
  readonly facts: ConnectionFacts;
  /** Its TLS agreed on HTTP/2. */
  readonly http2: boolean;
  /** What a request is for, or why it is for nothing here. */
  errand(request: HttpRequest): HttpErrand | Cause;
  /** A request was refused before it had an errand. */
  onRefused(trackingId: string, cause: Cause): void;
  /** It is over. */
  onClosed(): void;
}

interface Known {
  readonly door: HttpDoor;
  readonly arrival: HttpArrival;
}

/** All of one end. */
export class Connections {
  readonly #parts: HttpParts;
  readonly #known = new Map<HttpConnection, Known>();
  #draining = false;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Takes one. */
  accept(arrival: HttpArrival): void {
    const { trackingId, socket, facts, head, http2 } = arrival;
    if (socket.destroyed) {
      // Its end has been told already, and nobody would hear of it.
      arrival.onClosed();
      return;
    }
    const known = { door: this.#door(arrival), arrival };
    if (http2) {
      this.#known.set(new Http2Caller(known.door, socket, facts, trackingId), known);
      return;
    }
    const connection = new Http1Caller(known.door, socket, facts, trackingId);
    this.#known.set(connection, known);
    connection.start(head);
  }

  /** Called about once a second. */
  tick(now: number): void {
    for (const connection of this.#known.keys()) connection.tick(now);
  }

  /** Takes no more requests: connections end when what is under way is answered. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#known.keys()) connection.drain();
  }

  /** Ends all. */
  close(): void {
    for (const connection of this.#known.keys()) connection.close();
  }

  #door(arrival: HttpArrival): HttpDoor {
    return {
      parts: this.#parts,
      draining: () => this.#draining,
      errand: (request) => arrival.errand(request),
      onRefused: (trackingId, cause) => arrival.onRefused(trackingId, cause),
      onClosed: (connection) => this.#handleClosed(connection),
      takeHttp2: (former, socket) => this.#takeHttp2(former, socket),
    };
  }

  #takeHttp2(former: HttpConnection, socket: Socket): void {
    const known = this.#known.get(former);
    if (known === undefined) return;
    this.#known.delete(former);
    if (socket.destroyed) known.arrival.onClosed();
    else {
      const { door, arrival } = known;
      this.#known.set(new Http2Caller(door, socket, former.facts, arrival.trackingId), known);
    }
  }

  #handleClosed(connection: HttpConnection): void {
    const known = this.#known.get(connection);
    this.#known.delete(connection);
    known?.arrival.onClosed();
  }
}
