/**
 * A TCP port that takes callers, as `FlowListener` is for UDP: each connection is handed over paused and unread. What is
 * closed before the system has given it the port lets go of it as soon as it has.
 *
 * libuv takes one connection of a listening socket in a turn of the event loop, so that many dials at once wait for as many
 * turns, and each opens its stream in a write of its own. Where they wait, more sockets listen at the port (SO_REUSEPORT),
 * and the system deals connections out among them. Not where processes share the port: the one with more sockets would get
 * more of the callers.
 */
import { type AddressInfo, type ListenOptions, type Server, type Socket, createServer, isIP } from 'node:net';

const keepAliveDelayMs = 60_000;
const backlog = 1024;
const serversMax = 8;
/**
 * Those that all ports of the process have beside their first: each is a file descriptor, and stays until its port is
 * closed, since who waits at it would be cut.
 */
export const furtherMax = 64;
const further = new Set<Server>();
/** So many connections in a row that had to wait for their turn have one more socket listen. */
const waitedMax = 8;
/** Elsewhere programs run, but not under load, and the system deals nothing out. */
const dealsOut = process.platform === 'linux';

/** Where it listens, and who is told. */
export interface ConnectionListenerParts {
  readonly host: string;
  readonly port: number;
  /** Whether other processes may take callers of the same port. */
  readonly reusePort?: boolean;
  onConnection(socket: Socket): void;
  onListening(): void;
  /** It cannot listen. */
  onError(error: NodeJS.ErrnoException): void;
  /** The system could not accept a connection; it goes on to listen. */
  onNotAccepted(error: NodeJS.ErrnoException): void;
}

/** Listens from when it is made until `close`, or until it cannot. */
export class ConnectionListener {
  readonly #parts: ConnectionListenerParts;
  readonly #dealsOut: boolean;
  /** The first has the port for as long as the others. */
  readonly #servers: Server[] = [];
  #waited = 0;
  #idleMs = 0;
  #closed = false;

  constructor(parts: ConnectionListenerParts) {
    this.#parts = parts;
    const { host, port, reusePort = false } = parts;
    this.#dealsOut = dealsOut && !reusePort;
    if (this.#dealsOut && port !== 0) this.#listenAlone({ host, port });
    else this.#listen({ host, port, reusePort: reusePort || dealsOut });
  }

  get listening(): boolean {
    return this.#servers[0]?.listening === true && !this.#closed;
  }

  /** 0 before it listens. */
  get port(): number {
    return (this.#servers[0]?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  /** Takes no more callers; those it took go on, and are not waited for. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** A socket that others may join would join those of another process: first one that may not has the port. */
  #listenAlone(place: ListenOptions): void {
    const probe = createServer();
    probe.on('error', (error) => this.#fail(error));
    probe.on('listening', () => {
      const host = this.#hostOf(probe);
      probe.close();
      if (!this.#closed) this.#listen({ ...place, host, reusePort: true });
    });
    probe.listen(place);
  }

  #listen(place: ListenOptions): void {
    const server = this.#add(place);
    server.on('error', (error) => {
      if (!server.listening) this.#fail(error);
    });
    server.on('listening', () => {
      if (!this.#closed) this.#parts.onListening();
    });
  }

  /** Where it cannot listen those go on that do; it is tried for each of the others, and no more. */
  #listenMore(first: Server): void {
    const server = this.#add({ host: this.#hostOf(first), port: this.port, reusePort: true });
    server.on('listening', () => further.add(server));
  }

  /** A name is looked up once: another time it may be another address, and callers would wait for the answer. */
  #hostOf(server: Server): string {
    const { host } = this.#parts;
    return isIP(host) === 0 ? (server.address() as AddressInfo).address : host;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (!this.#closed) this.#parts.onError(error);
  }

  #add(place: ListenOptions): Server {
    const server = createServer({
      // A caller may end its direction and wait for the answer.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
      pauseOnConnect: true,
    });
    server.on('connection', (socket) => {
      this.#lookWhetherWaited();
      this.#parts.onConnection(socket);
    });
    server.on('error', (error) => {
      if (server.listening && !this.#closed) this.#parts.onNotAccepted(error);
    });
    server.on('listening', () => {
      if (this.#closed) server.close();
    });
    this.#servers.push(server);
    return server.listen({ ...place, backlog });
  }

  /** A loop that has not been idle since the last connection had this one wait, and what comes with it. */
  #lookWhetherWaited(): void {
    const [first] = this.#servers;
    if (!this.#dealsOut || first === undefined || this.#servers.length === serversMax) return;
    const { idle } = performance.eventLoopUtilization();
    this.#waited = idle === this.#idleMs ? this.#waited + 1 : 0;
    this.#idleMs = idle;
    if (this.#waited < waitedMax) return;
    this.#waited = 0;
    if (furtherCount() < furtherMax) this.#listenMore(first);
  }
}

function furtherCount(): number {
  for (const server of further) if (!server.listening) further.delete(server);
  return further.size;
}
