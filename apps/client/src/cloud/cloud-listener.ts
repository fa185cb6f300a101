/**
 * Where callers of one cloud destination come. Another client of the gateway on the same machine, or another gateway in
 * the same client, may have its port, and gives it up when it ends.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { CloudDestination } from '@postern/contracts';
import { errorText, systemCode } from '@postern/dial';
import { type CallerEnd, CallerListener, type FlowCounts, SocketEnd, adoptSocket } from '@postern/tunnel';
import type { CloudCause } from './cause.ts';
import type { HttpCaller } from './cloud-http.ts';
import { CallerTlsFault, ListenerTls, type ListenerTlsParts } from './listener-tls.ts';

/** Where it listens and who is told. */
export interface CloudListenerParts extends ListenerTlsParts {
  readonly host: string;
  readonly gatewayId: string;
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
  readonly #counts: FlowCounts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  readonly #listener: CallerListener;
  #closed = false;

  constructor(destination: CloudDestination, parts: CloudListenerParts) {
    this.destination = destination;
    this.#parts = parts;
    const { tls, protocol, clientPort: port } = destination;
    this.#tls = tls === undefined ? null : new ListenerTls(destination, tls, parts);
    const { host, gatewayId: scope, flowsMax } = parts;
    this.#listener = new CallerListener({
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      host,
      port,
      scope,
      flowsMax,
      counts: this.#counts,
      onConnection: (socket) => void this.#take(socket),
      onFlow: (flow) => parts.onCaller(flow),
      onFull: (address) => parts.onFlowsFull(address),
      // Nobody is told: it goes on to listen, and who called is not known.
      onNotAccepted: () => {},
      onState: () => parts.onState(this.error),
    });
  }

  get listening(): boolean {
    return this.#listener.listening;
  }

  /** UDP flows, and datagrams since it was opened; null for TCP. */
  get udp(): object | null {
    const { flows } = this.#listener;
    return this.destination.protocol === 'udp' ? { flows, ...this.#counts } : null;
  }

  /** Why it does not listen. */
  get error(): string | null {
    const { error } = this.#listener;
    return error === null ? null : listenFault(this.#parts.host, this.destination.clientPort, error);
  }

  /** Takes no more callers. Those it took go on. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#listener.close();
  }

  async #take(socket: Socket): Promise<void> {
    const address = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    if (this.#tls === null) {
      adoptSocket(socket);
      return this.#handOver(socket, address, null);
    }
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
    else this.#parts.onCaller(new SocketEnd(socket));
  }
}

/** Why a port cannot be listened on, in words that help. */
function listenFault(host: string, port: number, error: Error): string {
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
