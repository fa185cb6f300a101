/**
 * The front of one UDP destination: a socket, and a flow for each caller's address and port. Like a TCP front it stays
 * open while the destination exists, tries again where its port is taken, and leaves judging to the callers.
 *
 *     opening ──► listening ──► closed
 *        │ ▲                       ▲
 *        ▼ │ after retryDelay      │
 *      failed ─────────────────────┘
 */
import type { FrontRoute } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { type CallerEnd, type Flow, type FlowCounts, FlowListener } from '@postern/tunnel';
import type { FrontState } from './front.ts';

const retryDelayMsMin = 50;
const retryDelayMsMax = 5_000;

/** Where UDP fronts listen and who takes their flows. */
export interface UdpFrontParts {
  host: string;
  reusePort: boolean;
  logger: Logger;
  flowsPerFrontMax: number;
  onFlow(front: UdpFront, flow: Flow): void;
  /** A caller that is not known yet came when there were `flowsPerFrontMax`. */
  onFlowsFull(front: UdpFront, address: CallerEnd['address']): void;
}

/** The front of one destination. */
export class UdpFront {
  readonly #parts: UdpFrontParts;
  readonly #firstTry = Promise.withResolvers<void>();
  #route: FrontRoute;
  #listener: FlowListener | null = null;
  /** Of listeners that are no more. */
  readonly #former: FlowCounts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  #retryTimer: NodeJS.Timeout | undefined;
  #retryDelayMs = retryDelayMsMin;
  #error: string | null = null;
  #closed = false;

  constructor(parts: UdpFrontParts, route: FrontRoute) {
    this.#parts = parts;
    this.#route = route;
    this.#listen();
  }

  /** The destination as it is now. */
  get route(): FrontRoute {
    return this.#route;
  }

  /** Resolves when it listens, or could not at the first try. */
  get tried(): Promise<void> {
    return this.#firstTry.promise;
  }

  get state(): FrontState {
    const { id, name, front, enabled, gatewayEnabled } = this.#route;
    const listener = this.#listener;
    return {
      destinationId: id,
      name,
      port: front.port,
      enabled: enabled && gatewayEnabled,
      listening: listener?.listening === true,
      error: this.#error,
      udp: {
        flows: listener?.size ?? 0,
        fromCallers: this.#former.fromCallers + (listener?.counts.fromCallers ?? 0),
        toCallers: this.#former.toCallers + (listener?.counts.toCallers ?? 0),
        dropped: this.#former.dropped + (listener?.counts.dropped ?? 0),
      },
    };
  }

  /** The destination changed; only another port touches the socket. */
  update(route: FrontRoute): void {
    const moved = route.front.port !== this.#route.front.port;
    this.#route = route;
    if (!moved) return;
    this.#stopListening();
    this.#listen();
  }

  /** Takes no more callers. Flows that it knows go on. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#firstTry.resolve();
  }

  #listen(): void {
    const { host, reusePort, flowsPerFrontMax } = this.#parts;
    const { id, name, gatewayId, front } = this.#route;
    const about = { destinationId: id, gatewayId, port: front.port, protocol: 'udp' };
    const listener: FlowListener = new FlowListener({
      host,
      port: front.port,
      reusePort,
      flowsMax: flowsPerFrontMax,
      onFlow: (flow) => this.#parts.onFlow(this, flow),
      onFull: (address) => this.#parts.onFlowsFull(this, address),
      onListening: () => {
        this.#error = null;
        this.#retryDelayMs = retryDelayMsMin;
        this.#firstTry.resolve();
        this.#parts.logger.info(about, `front of ${name} listens`);
      },
      onError: (error) => this.#handleError(listener, error, about),
    });
    this.#listener = listener;
  }

  #handleError(listener: FlowListener, error: NodeJS.ErrnoException, about: object): void {
    if (this.#listener !== listener) return;
    const fault = `${error.code ?? 'ERROR'}: ${error.message}`;
    if (this.#error !== fault)
      this.#parts.logger.error({ ...about, error }, 'a front cannot listen; trying again');
    this.#stopListening();
    this.#error = fault;
    this.#firstTry.resolve();
    this.#retryTimer = setTimeout(() => !this.#closed && this.#listen(), this.#retryDelayMs).unref();
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMsMax);
  }

  #stopListening(): void {
    clearTimeout(this.#retryTimer);
    const listener = this.#listener;
    this.#listener = null;
    this.#error = null;
    if (listener === null) return;
    this.#former.fromCallers += listener.counts.fromCallers;
    this.#former.toCallers += listener.counts.toCallers;
    this.#former.dropped += listener.counts.dropped;
    listener.close();
  }
}
