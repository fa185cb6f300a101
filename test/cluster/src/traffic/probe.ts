/**
 * A caller who runs through a fault: it sends a few bytes to a resource that echoes, checks what comes back, and sends
 * the next ones a moment later, over one connection, for as long as the fault lasts. Whoever is not meant by a fault
 * must not notice it: the probe is unbroken, and its longest round trip is known.
 */
import { randomBytes } from 'node:crypto';
import { type Socket, connect } from 'node:net';
import type { Endpoint } from '../site/site.ts';

const BYTES = 512;
const PAUSE_MS = 10;

/** One connection with a round trip always under way. */
export class Probe implements AsyncDisposable {
  readonly socket: Socket;
  /** Resolves when the connection is over: the error's code, or `ended`. */
  readonly ended: Promise<string>;
  #rounds = 0;
  #longestMs = 0;
  #end: string | null = null;
  #closing = false;
  #sent: Buffer = Buffer.alloc(0);
  #sentAt = 0;
  #received: Buffer[] = [];
  #onRound: (() => void)[] = [];

  constructor(front: Endpoint, localAddress?: string) {
    const { host, port } = front;
    this.socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    let failure: string | null = null;
    this.socket.on('connect', () => this.#send());
    this.socket.on('data', (bytes: Buffer) => this.#take(bytes));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message));
    this.ended = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#end ??= failure ?? 'ended';
        resolve(this.#end);
      });
    });
  }

  /** Round trips so far. */
  get rounds(): number {
    return this.#rounds;
  }

  /** The longest round trip since the last `forget`, the one under way included. */
  get longestMs(): number {
    return Math.max(this.#longestMs, this.#sentAt === 0 ? 0 : performance.now() - this.#sentAt);
  }

  /** Forgets how long the longest round trip was. */
  forget(): void {
    this.#longestMs = 0;
    if (this.#sentAt !== 0) this.#sentAt = performance.now();
  }

  /** Resolves after `count` more round trips; rejects when the connection ended, which it never should. */
  async run(count = 3): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      this.check();
      const round = new Promise<void>((resolve) => this.#onRound.push(resolve));
      await Promise.race([round, this.ended]);
    }
    this.check();
  }

  /** Throws when it was broken. */
  check(): void {
    if (this.#end !== null)
      throw new Error(`the probe was broken after ${this.#rounds} rounds: ${this.#end}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.socket.destroy();
    await this.ended;
  }

  #send(): void {
    if (this.#closing || this.socket.destroyed) return;
    this.#sent = randomBytes(BYTES);
    this.#received = [];
    this.#sentAt = performance.now();
    this.socket.write(this.#sent);
  }

  #take(bytes: Buffer): void {
    this.#received.push(bytes);
    const received = Buffer.concat(this.#received);
    if (received.length < BYTES) return;
    if (!received.equals(this.#sent)) {
      this.#end = 'other bytes came back';
      this.socket.destroy();
      return;
    }
    this.#longestMs = Math.max(this.#longestMs, performance.now() - this.#sentAt);
    this.#sentAt = 0;
    this.#rounds += 1;
    for (const resolve of this.#onRound.splice(0)) resolve();
    setTimeout(() => this.#send(), PAUSE_MS);
  }
}

/** A probe whose first round trip is over. */
export async function startProbe(front: Endpoint, localAddress?: string): Promise<Probe> {
  const probe = new Probe(front, localAddress);
  await probe.run(1);
  return probe;
}
