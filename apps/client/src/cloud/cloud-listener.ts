/**
 * The listening socket of one cloud destination, of TCP or UDP. A port that is taken is tried again and again, and told as such
 * meanwhile: another client of the gateway on the same machine, or another gateway in the same client, may have it, and
 * gives it up when it ends.
 *
 *     opening ──► listening ──► closed
 *        │ ▲                       ▲
 *        ▼ │ after retryDelay      │
 *      failed ─────────────────────┘
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { CloudDestination } from '@postern/contracts';
import { errorText, systemCode } from '@postern/dial';
import { type CallerEnd, ConnectionListener, FlowListener, adoptSocket, socketEnd } from '@postern/tunnel';
import type { CloudCause } from './cause.ts';
import type { HttpCaller } from './cloud-http.ts';
import { CallerTlsFault, ListenerTls, type ListenerTlsParts } from './listener-tls.ts';

const retryDelayMsMin = 100;
const retryDelayMsMax = 5_000;

/** Where it listens and who is told. */
export interface CloudListenerParts extends ListenerTlsParts {
  readonly host: string;
  /** UDP callers of one destination at once. */
  readonly flowsMax: number;
  onCaller(end: CallerEnd): void;
  /** The same, of a destination whose callers speak HTTP. */
  onHttpCaller(caller: HttpCaller): void;
  /** Its TLS failed; it has gone. */
  onTlsFailed(address: CallerEnd['address'], cause: CloudCause): void;
  onFlowsFull(address: CallerEnd['address']): void;
  /** It listens now, or cannot. Called when that is another than before. */
  onState(error: string | null): void;
}

/** A listener, from when it is made until `close`. */
export class CloudListener {
  readonly destination: CloudDestination;
  readonly #parts: CloudListenerParts;
  readonly #tls: ListenerTls | null;
  #server: ConnectionListener | FlowListener | null = null;
  #retryTimer: NodeJS.Timeout | undefined;
  #retryDelayMs = retryDelayMsMin;
  #told: string | null | undefined;
  #closed = false;

  constructor(destination: CloudDestination, parts: CloudListenerParts) {
    this.destination = destination;
    this.#parts = parts;
    const { tls } = destination;
    this.#tls = tls === undefined ? null : new ListenerTls(destination, tls, parts);
    this.#listen();
  }

  get listening(): boolean {
    return this.#server?.listening === true;
  }

  /** UDP flows, and datagrams since it was opened; null for TCP. */
  get udp(): object | null {
    const server = this.#server;
    return server instanceof FlowListener ? { flows: server.size, ...server.counts } : null;
  }

  /** Why it does not listen. */
  get error(): string | null {
    return this.#told ?? null;
  }

  /** Takes no more callers. Those it took go on. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
  }

  #listen(): void {
    const isUdp = this.destination.protocol === 'udp';
    this.#server = isUdp ? this.#listenForDatagrams() : this.#listenForConnections();
  }

  #listenForConnections(): ConnectionListener {
    const listener: ConnectionListener = new ConnectionListener({
      host: this.#parts.host,
      port: this.destination.clientPort,
      onConnection: (socket) => void this.#take(socket),
      onListening: () => this.#handleListening(),
      onError: (error) => this.#handleError(listener, error),
    });
    return listener;
  }

  async #take(socket: Socket): Promise<void> {
    const address = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    if (this.#tls === null) return this.#handOver(adoptSocket(socket), address, null);
    try {
      const secured = await this.#tls.accept(socket);
      if (this.#closed) secured.destroy();
      else this.#handOver(secured, address, secured);
    } catch (error) {
      if (!(error instanceof CallerTlsFault)) throw error;
      if (error.cause !== null) this.#parts.onTlsFailed(address, error.cause);
    }
  }

  #handOver(socket: Socket, address: CallerEnd['address'], secured: TLSSocket | null): void {
    if (this.destination.protocol === 'http') this.#parts.onHttpCaller({ socket, address, secured });
    else this.#parts.onCaller(socketEnd(socket));
  }

  #listenForDatagrams(): FlowListener {
    const parts = this.#parts;
    const listener: FlowListener = new FlowListener({
      host: parts.host,
      port: this.destination.clientPort,
      flowsMax: parts.flowsMax,
      onFlow: (flow) => parts.onCaller(flow),
      onFull: (address) => parts.onFlowsFull(address),
      onListening: () => this.#handleListening(),
      onError: (error) => this.#handleError(listener, error),
    });
    return listener;
  }

  #handleListening(): void {
    this.#retryDelayMs = retryDelayMsMin;
    this.#tell(null);
  }

  #handleError(server: ConnectionListener | FlowListener, error: Error): void {
    if (this.#server !== server) return;
    this.#stopListening();
    this.#retryTimer = setTimeout(() => !this.#closed && this.#listen(), this.#retryDelayMs);
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMsMax);
    this.#tell(listenFault(this.#parts.host, this.destination.clientPort, error));
  }

  #tell(error: string | null): void {
    if (this.#told === error) return;
    this.#told = error;
    this.#parts.onState(error);
  }

  #stopListening(): void {
    clearTimeout(this.#retryTimer);
    this.#server?.close();
    this.#server = null;
  }
}

/** Why a port cannot be listened on, in words that help. */
export function listenFault(host: string, port: number, error: Error): string {
  const where = `${host}:${port}`;
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return `${where} is taken: by another program, another client, or another gateway of this client`;
    case 'EACCES':
      return `${where} may not be listened on by this user: ports below 1024 want CAP_NET_BIND_SERVICE`;
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine`;
    default:
      return `${where}: ${errorText(error)}`.slice(0, 150);
  }
}
