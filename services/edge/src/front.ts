/**
 * One front: the listening socket of one destination. It stays open while the destination exists, also while that is
 * disabled (its callers are turned away, its port stays its own). A port that is taken is tried again and again, and
 * shown as such meanwhile.
 *
 *     opening ──► listening ──► closed
 *        │ ▲                       ▲
 *        ▼ │ after retryDelay      │
 *      failed ─────────────────────┘
 */
import { type Server, type Socket, createServer } from 'node:net';
import type { FrontRoute } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { FlowCounts } from '@postern/tunnel';

const retryDelayMsMin = 50;
const retryDelayMsMax = 5_000;
const keepAliveDelayMs = 60_000;
const backlog = 1024;

/** Where fronts listen and who takes their connections, which are paused and unread. */
export interface FrontParts {
  host: string;
  reusePort: boolean;
  logger: Logger;
  onConnection(front: Front, socket: Socket): void;
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
  readonly #firstTry = Promise.withResolvers<void>();
  #route: FrontRoute;
  #server: Server | null = null;
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

  /** Resolves when it listens, or could not at the first try. */
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
      listening: this.#server?.listening === true,
      error: this.#error,
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

  /** Takes no more callers. Those it took go on. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#firstTry.resolve();
  }

  #listen(): void {
    const server = createServer({
      // A caller may end its direction and wait for the answer.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
      pauseOnConnect: true,
    });
    this.#server = server;
    server.on('connection', (socket) => this.#parts.onConnection(this, socket));
    server.on('error', (error: NodeJS.ErrnoException) => this.#handleError(server, error));
    server.on('listening', () => this.#handleListening());
    const { host, reusePort } = this.#parts;
    server.listen({ host, port: this.#route.front.port, reusePort, backlog });
  }

  #handleListening(): void {
    this.#error = null;
    this.#retryDelayMs = retryDelayMsMin;
    this.#firstTry.resolve();
    const { id, name, gatewayId, front } = this.#route;
    this.#parts.logger.info({ destinationId: id, gatewayId, port: front.port }, `front of ${name} listens`);
  }

  #handleError(server: Server, error: NodeJS.ErrnoException): void {
    if (this.#server !== server) return;
    const fault = `${error.code ?? 'ERROR'}: ${error.message}`;
    const { id, gatewayId, front } = this.#route;
    if (this.#error !== fault) {
      this.#parts.logger.error(
        { destinationId: id, gatewayId, port: front.port, error },
        'a front cannot listen; trying again',
      );
    }
    this.#stopListening();
    this.#error = fault;
    this.#firstTry.resolve();
    this.#retryTimer = setTimeout(() => this.#retry(), this.#retryDelayMs);
    this.#retryTimer.unref();
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMsMax);
  }

  #retry(): void {
    if (!this.#closed) this.#listen();
  }

  #stopListening(): void {
    clearTimeout(this.#retryTimer);
    const server = this.#server;
    this.#server = null;
    this.#error = null;
    // Accepted sockets are not the listener's to wait for; a failed one has nothing to close.
    if (server?.listening === true) server.close();
  }
}
