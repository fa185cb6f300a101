/**
 * HTTP at the listeners of one gateway's cloud destinations: callers' connections, their requests, and the streams that
 * are kept for the next request of the same caller. A request is for the destination as it is when it comes, so one that
 * is disabled, deleted or listened for elsewhere takes no more of them, also on connections that are open, and one that
 * asks for client certificates takes none on a connection whose caller was not asked for them.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { CloudDestination } from '@postern/contracts';
import {
  type CallerAddress,
  type Cause,
  ConnectionPool,
  Connections,
  type HttpErrand,
  type HttpBounds,
  type HttpRequest,
} from '@postern/exchange';
import { Counts } from '@postern/share';
import { serverNameOf } from '@postern/tls/accept';
import { ResetCode } from '@postern/tunnel';
import type { CloudCause } from './cause.ts';
import { type CloudErrand, type CloudErrandParts, CloudRequest } from './cloud-errand.ts';
import { clientVoice, cloudCauseOf } from './voice.ts';

/** A caller's connection as a listener hands it over: paused, its TLS ended. */
export interface HttpCaller {
  readonly socket: Socket;
  readonly address: CallerAddress;
  /** Where the listener ended its TLS. */
  readonly secured: TLSSocket | null;
}

/** A caller, or a request, that came to nothing or was cut. */
export interface RefusedCaller {
  readonly destination: CloudDestination;
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly opened: boolean;
}

/** What it needs of the desk. */
export interface CloudHttpParts extends Omit<CloudErrandParts, 'onStart' | 'onOver'> {
  readonly bounds: HttpBounds;
  /** The destination as it is now; undefined where it is none to listen for. */
  destination(id: string): CloudDestination | undefined;
  onServed(): void;
  onRefused(request: RefusedCaller, cause: CloudCause): void;
}

/** One for each gateway. */
export class CloudHttp {
  readonly #parts: CloudHttpParts;
  readonly #errandParts: CloudErrandParts;
  readonly #pool: ConnectionPool;
  readonly #connections: Connections;
  readonly #running = new Set<CloudErrand>();
  readonly #counts = new Counts();

  constructor(parts: CloudHttpParts) {
    this.#parts = parts;
    this.#pool = new ConnectionPool(parts.bounds);
    this.#connections = new Connections({ bounds: parts.bounds, pool: this.#pool, voice: clientVoice });
    this.#errandParts = {
      guard: parts.guard,
      compression: parts.compression,
      tracing: parts.tracing,
      sessions: () => parts.sessions(),
      open: (session, metadata) => parts.open(session, metadata),
      onStart: (errand) => this.#running.add(errand),
      onOver: (errand, cause) => this.#handleOver(errand, cause),
    };
  }

  /** Callers' connections. */
  get size(): number {
    return this.#connections.size;
  }

  /** Those of one destination. */
  countOf(destinationId: string): number {
    return this.#counts.of(destinationId);
  }

  /** Has a connection to the destination's listener from now on. */
  accept(destination: CloudDestination, { socket, address, secured }: HttpCaller): void {
    const trackingId = randomUUID();
    const { id } = destination;
    this.#counts.add(id);
    this.#connections.accept({
      trackingId,
      socket,
      head: Buffer.alloc(0),
      facts: {
        caller: address,
        secure: secured !== null,
        serverName: secured === null ? null : serverNameOf(secured),
        certificate: null,
        trusted: false,
      },
      http2: secured?.alpnProtocol === 'h2',
      errand: (request) => this.#errand(destination, trackingId, request),
      onRefused: (requestId, cause) => {
        const request = { destination, trackingId: requestId, address, opened: false };
        this.#parts.onRefused(request, cloudCauseOf(cause));
      },
      onClosed: () => this.#handleClosed(id, trackingId),
    });
  }

  /** An access list has changed: requests that it denies are ended. */
  recheck(): void {
    for (const errand of this.#running) errand.judgeAgain();
  }

  /** Called about once a second. */
  tick(now: number): void {
    for (const errand of this.#running) errand.tick(now);
    this.#pool.tick(now);
    this.#connections.tick(now);
  }

  /** Takes no more requests; those that run go on. */
  drain(): void {
    this.#connections.drain();
  }

  /** Ends everything. */
  close(cause: CloudCause): void {
    for (const errand of this.#running) errand.end(cause, ResetCode.ShuttingDown);
    this.#connections.close();
    this.#pool.closeAll();
  }

  #errand(former: CloudDestination, connectionId: string, request: HttpRequest): HttpErrand | Cause {
    const now = this.#parts.destination(former.id);
    if (now?.protocol !== 'http' || now.clientPort !== former.clientPort) {
      const text = 'the destination is disabled or deleted, or has another port now';
      return { code: 'CLIENT_DESTINATION_GONE', text, end: 'client' };
    }
    const { clientCaIds = [] } = now.tls ?? {};
    if (clientCaIds.length > 0 && !isDeepStrictEqual(clientCaIds, former.tls?.clientCaIds)) {
      const text = 'the listener asks for other client certificates since this connection was opened';
      return clientVoice.causeOf('misdirected', text);
    }
    return new CloudRequest(this.#errandParts, now, connectionId, request);
  }

  #handleOver(errand: CloudErrand, cause: CloudCause | null): void {
    this.#running.delete(errand);
    if (errand.opened) this.#parts.onServed();
    if (cause !== null) this.#parts.onRefused(errand, cause);
  }

  /** The streams that were kept for it are nobody else's. */
  #handleClosed(destinationId: string, connectionId: string): void {
    this.#counts.remove(destinationId);
    this.#pool.end(destinationId, ({ resourceKey }) => resourceKey.startsWith(`${connectionId} `));
  }
}
