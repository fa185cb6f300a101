/** Callers one after the other, several at once, each on a connection of its own, for as long as something goes on. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Address, echoed } from '../caller.ts';

const atOnce = 2;
const pauseMs = 20;
const servedWithinMs = 10_000;

/** They call from the start until they are stopped. */
export class Callers {
  /** When calls failed, in milliseconds from the start. */
  readonly failures: number[] = [];
  served = 0;
  slowestMs = 0;
  readonly #address: Address;
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;

  constructor(address: Address) {
    this.#address = address;
    this.#ended = Promise.all(Array.from({ length: atOnce }, () => this.#call(performance.now())));
  }

  /** Resolves when the last call has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #call(startedAt: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const calledAt = performance.now();
      if (await echoed(this.#address, { withinMs: servedWithinMs })) this.served += 1;
      else this.failures.push(Math.round(performance.now() - startedAt));
      this.slowestMs = Math.max(this.slowestMs, performance.now() - calledAt);
      await delay(pauseMs);
    }
  }
}
