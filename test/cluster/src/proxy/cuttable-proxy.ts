/**
 * A TCP proxy that does to a path what networks do: cuts it, swallows everything, delays it, refuses. It is put
 * between a client and a node, or between a caller and a front.
 *
 *   passing ──blackHole()──► silent ──resume()──► passing      what was held back arrives then, as TCP would resend it
 *      └─────refuse()──────► refusing ──resume()──► passing    connections at hand live on
 *   cut(): the connections at hand are reset at both ends, in any state
 *   busiest: the one connection that carried most, to be reset or silenced alone
 */
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { resetSocket } from '@postern/tunnel';
import { DelayLine } from './delay-line.ts';

const HELD_BYTES_MAX = 128 * 1024 * 1024;

/** Where a proxy passes connections on to. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** One direction of a connection through a proxy. */
export type Way = 'toTarget' | 'fromTarget';

/** One connection through a proxy. */
export interface ProxiedConnection {
  /** What it carried, both ways. */
  readonly bytes: number;
  /** The most bytes that were under way at once, one way, while the proxy delays. */
  underWayPeak(way: Way): number;
  /** Resets it at both ends. */
  reset(): void;
  /** Nothing passes any more, and nobody is told. */
  pause(): void;
  /** What goes one way does not arrive any more; the other way works. */
  pauseOneWay(way: Way): void;
}

/** One proxy with all connections through it. */
export class CuttableProxy implements AsyncDisposable {
  /** Told of every connection that comes, refused ones too. */
  onAccept: (() => void) | null = null;
  readonly #server: Server;
  readonly #target: Target;
  readonly #pairs = new Set<Pair>();
  #state: 'passing' | 'silent' | 'refusing' = 'passing';
  #delayMs = 0;
  #accepted = 0;
  #endedBytes = 0;

  private constructor(target: Target) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  /** Listens on a free port of `host`, or on the one given. */
  static async listen(
    target: Target,
    options: { host?: string; port?: number } = {},
  ): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(
        { host: options.host ?? '127.0.0.1', port: options.port ?? 0, backlog: 4_096 },
        resolve,
      );
    });
    return proxy;
  }

  get host(): string {
    return (this.#server.address() as AddressInfo).address;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many connections go through it now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** The open connection that carried most; null when there is none. */
  get busiest(): ProxiedConnection | null {
    let busiest: Pair | null = null;
    for (const pair of this.#pairs) if (busiest === null || pair.bytes > busiest.bytes) busiest = pair;
    return busiest;
  }

  /** What all connections carried, both ways, those included that have ended. */
  get bytes(): number {
    let bytes = this.#endedBytes;
    for (const pair of this.#pairs) bytes += pair.bytes;
    return bytes;
  }

  /** How many connections it ever took. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Resets every connection at both ends; new ones are taken. Returns how many there were. */
  cut(): number {
    const count = this.#pairs.size;
    for (const pair of this.#pairs) pair.reset();
    return count;
  }

  /** Nothing passes any more, and nobody is told: as a firewall that forgot its connections. */
  blackHole(): void {
    this.#state = 'silent';
    for (const pair of this.#pairs) pair.pause();
  }

  /** New connections are reset at once; those at hand live on. */
  refuse(): void {
    this.#state = 'refusing';
    for (const pair of this.#pairs) pair.flow();
  }

  /** Everything passes. */
  resume(): void {
    this.#state = 'passing';
    for (const pair of this.#pairs) pair.flow();
  }

  /** Each direction takes that much longer, from the next byte on. */
  delay(oneWayMs: number): void {
    this.#delayMs = oneWayMs;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(near: Socket): void {
    this.#accepted += 1;
    this.onAccept?.();
    if (this.#state === 'refusing') {
      resetSocket(near);
      return;
    }
    const far = connect({
      host: this.#target.host,
      port: this.#target.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    const pair = new Pair(near, far, () => this.#delayMs);
    this.#pairs.add(pair);
    pair.onClose = () => {
      this.#pairs.delete(pair);
      this.#endedBytes += pair.bytes;
    };
    if (this.#state === 'passing') pair.flow();
  }
}

/** Two sockets and a line for each direction between them. */
class Pair implements ProxiedConnection {
  onClose: (() => void) | null = null;
  readonly #sockets: readonly [Socket, Socket];
  readonly #lines: readonly [DelayLine, DelayLine];

  constructor(near: Socket, far: Socket, delayMs: () => number) {
    this.#sockets = [near, far];
    this.#lines = [
      new DelayLine(near, far, delayMs, HELD_BYTES_MAX),
      new DelayLine(far, near, delayMs, HELD_BYTES_MAX),
    ];
    let open = 2;
    for (const socket of this.#sockets) {
      socket.pause();
      socket.on('error', () => this.reset());
      socket.on('close', () => {
        open -= 1;
        if (open === 0) this.onClose?.();
      });
    }
  }

  get bytes(): number {
    return this.#lines[0].passedBytes + this.#lines[1].passedBytes;
  }

  flow(): void {
    for (const line of this.#lines) line.flow();
  }

  pause(): void {
    for (const line of this.#lines) line.pause();
  }

  pauseOneWay(way: Way): void {
    this.#line(way).pause();
  }

  underWayPeak(way: Way): number {
    return this.#line(way).heldBytesPeak;
  }

  reset(): void {
    for (const line of this.#lines) line.stop();
    for (const socket of this.#sockets) resetSocket(socket);
  }

  #line(way: Way): DelayLine {
    return this.#lines[way === 'toTarget' ? 0 : 1];
  }
}
