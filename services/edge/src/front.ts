/**
 * One front: where one destination listens, for connections or for datagrams. It stays open while the destination exists,
 * also while that is disabled (its callers are turned away, its port stays its own). A port that is taken is tried again
 * and again, and shown as such meanwhile.
 *
 *     opening ──► listening ──► closed
 *        │ ▲                       ▲
 *        ▼ │ after retryDelay      │
 *      failed ─────────────────────┘
 */
import type { Socket } from 'node:net';
import type { FrontRoute } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { CallerEnd, Flow, FlowCounts } from '@postern/tunnel';
import { type FrontListener, type FrontPlace, listenFor } from './front-listener.ts';

const retryDelayMsMin = 50;
const retryDelayMsMax = 5_000;

/** What a front needs of the node. */
export interface FrontParts extends FrontPlace {
  logger: Logger;
  /** A connection, which is paused and unread. */
  onConnection(front: Front, socket: Socket): void;
  onFlow(front: Front, flow: Flow): void;
  /** A caller that is not known yet came when there were `flowsPerFrontMax`. */
  onFlowsFull(front: Front, address: CallerEnd['address']): void;
}

/** What is shown of a front. */
export interface FrontState {
  destinationId: string;
  name: string;
  port: number;
  /** Whether callers are let in: destination and gateway are enabled. */
  enabled: boolean;
  listening: boolean;
  error: string | null;
  /** Of a UDP front: its flows, and datagrams since it was opened. */
  udp?: FlowCounts & { flows: number };
}

/** The front of one destination. */
export class Front {
  readonly #parts: FrontParts;
  #firstTry = Promise.withResolvers<void>();
  /** Datagrams of listeners that are no more. */
  readonly #former: FlowCounts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  #route: FrontRoute;
  #listener: FrontListener | null = null;
  #retryTimer: NodeJS.Timeout | undefined;
  #retryDelayMs = retryDelayMsMin;
  #error: string | null = null;
  #closed = false;

  constructor(parts: FrontParts, route: FrontRoute) {
    this.#parts = parts;
    this.#route = route;
    this.#listen();
  }

  /** The destination as it is now. */
  get route(): FrontRoute {
    return this.#route;
  }

  /** Resolves when it listens where it is to be now, or could not at the first try. */
  get tried(): Promise<void> {
    return this.#firstTry.promise;
  }

  get state(): FrontState {
    const { id, name, front, enabled, gatewayEnabled } = this.#route;
    return {
      destinationId: id,
      name,
      port: front.port,
      enabled: enabled && gatewayEnabled,
      listening: this.#listener?.listening === true,
      error: this.#error,
      ...(front.protocol === 'udp' ? { udp: this.#udp() } : {}),
    };
  }

  /** The destination changed; only another port touches what listens. */
  update(route: FrontRoute): void {
    const moved = route.front.port !== this.#route.front.port;
    this.#route = route;
    if (!moved) return;
    this.#stopListening();
    this.#firstTry.resolve();
    this.#firstTry = Promise.withResolvers<void>();
    this.#listen();
  }

  /** Takes no more callers. Those it took go on. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#firstTry.resolve();
  }

  #listen(): void {
    // One that was given up may have news still.
    const isCurrent = (): boolean => this.#listener === listener;
    const parts = this.#parts;
    const listener: FrontListener = listenFor(this.#route.front, parts, {
      onConnection: (socket) => parts.onConnection(this, socket),
      onFlow: (flow) => parts.onFlow(this, flow),
      onFull: (address) => parts.onFlowsFull(this, address),
      onListening: () => {
        if (isCurrent()) this.#handleListening();
      },
      onError: (error) => {
        if (isCurrent()) this.#handleError(error);
      },
    });
    this.#listener = listener;
  }

  #handleListening(): void {
    this.#error = null;
    this.#retryDelayMs = retryDelayMsMin;
    this.#firstTry.resolve();
    this.#parts.logger.info(this.#about(), `front of ${this.#route.name} listens`);
  }

  #handleError(error: NodeJS.ErrnoException): void {
    const fault = `${error.code ?? 'ERROR'}: ${error.message}`;
    if (this.#error !== fault)
      this.#parts.logger.error({ ...this.#about(), error }, 'a front cannot listen; trying again');
    this.#stopListening();
    this.#error = fault;
    this.#firstTry.resolve();
    this.#retryTimer = setTimeout(() => this.#retry(), this.#retryDelayMs).unref();
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMsMax);
  }

  #retry(): void {
    if (!this.#closed) this.#listen();
  }

  #stopListening(): void {
    clearTimeout(this.#retryTimer);
    const { fromCallers, toCallers, dropped } = this.#udp();
    Object.assign(this.#former, { fromCallers, toCallers, dropped });
    this.#listener?.close();
    this.#listener = null;
    this.#error = null;
  }

  #udp(): FlowCounts & { flows: number } {
    const { flows = 0, fromCallers = 0, toCallers = 0, dropped = 0 } = this.#listener?.udp ?? {};
    return {
      flows,
      fromCallers: this.#former.fromCallers + fromCallers,
      toCallers: this.#former.toCallers + toCallers,
      dropped: this.#former.dropped + dropped,
    };
  }

  #about(): object {
    const { id: destinationId, gatewayId, front } = this.#route;
    return { destinationId, gatewayId, port: front.port, protocol: front.protocol };
  }
}
