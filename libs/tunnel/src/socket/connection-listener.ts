/**
 * A TCP port that takes callers, as `FlowListener` is for UDP: each connection is handed over paused and unread. What is
 * closed before the system has given it the port lets go of it as soon as it has.
 */
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';

const keepAliveDelayMs = 60_000;
const backlog = 1024;

/** Where it listens, and who is told. */
export interface ConnectionListenerParts {
  readonly host: string;
  readonly port: number;
  /** Whether other processes may take callers of the same port. */
  readonly reusePort?: boolean;
  onConnection(socket: Socket): void;
  onListening(): void;
  /** It cannot listen, or no longer. */
  onError(error: NodeJS.ErrnoException): void;
}

/** Listens from when it is made until `close` or an error. */
export class ConnectionListener {
  readonly #server: Server;
  #closed = false;

  constructor({ host, port, reusePort = false, ...parts }: ConnectionListenerParts) {
    this.#server = createServer({
      // A caller may end its direction and wait for the answer.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
      pauseOnConnect: true,
    });
    this.#server.on('connection', (socket) => parts.onConnection(socket));
    this.#server.on('error', (error) => {
      if (!this.#closed) parts.onError(error);
    });
    this.#server.on('listening', () => {
      if (this.#closed) this.#server.close();
      else parts.onListening();
    });
    this.#server.listen({ host, port, reusePort, backlog });
  }

  get listening(): boolean {
    return this.#server.listening && !this.#closed;
  }

  /** 0 before it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Takes no more callers; those it took go on, and are not waited for. Idempotent. */
  close(): void {
    this.#closed = true;
    if (this.#server.listening) this.#server.close();
  }
}
