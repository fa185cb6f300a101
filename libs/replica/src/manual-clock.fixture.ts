/** A clock that a test moves on. */
import type { Clock } from './clock.ts';

interface Timer {
  intervalMs: number;
  dueAt: number;
  callback: () => void;
}

/** Stands still until `advance`. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = 0;

  now(): number {
    return this.#now;
  }

  every(intervalMs: number, callback: () => void): () => void {
    const timer = { intervalMs, dueAt: this.#now + intervalMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many timers run: none may be left when everything is stopped. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves on, calling back what comes due on the way, in its order. */
  advance(byMs: number): void {
    const end = this.#now + byMs;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.dueAt - b.dueAt);
      if (next === undefined || next.dueAt > end) break;
      this.#now = next.dueAt;
      next.dueAt += next.intervalMs;
      next.callback();
    }
    this.#now = end;
  }
}
