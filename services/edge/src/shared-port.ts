/**
 * A port that many share: the platform's own, with the fronts that a server name tells apart, and the one of the plain
 * HTTP fronts, which Host tells apart. It listens and hands each connection to the entrance, unread.
 */
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';

const backlog = 1024;
const keepAliveDelayMs = 60_000;

/** Where it listens, and who takes its connections. */
export interface SharedPortParts {
  host: string;
  port: number;
  reusePort: boolean;
  onConnection(socket: Socket): void;
}

/** One listener. */
export class SharedPort {
  readonly #parts: SharedPortParts;
  readonly #server: Server;

  constructor(parts: SharedPortParts) {
    this.#parts = parts;
    this.#server = createServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveDelayMs,
        pauseOnConnect: true,
      },
      (socket) => parts.onConnection(socket),
    );
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { host, port, reusePort } = this.#parts;
    this.#server.listen({ host, port, reusePort, backlog });
    await once(this.#server, 'listening');
  }

  /** Takes no more connections. Idempotent. */
  close(): void {
    if (this.#server.listening) this.#server.close();
  }
}
