/** How streams ended, kept for a while so that a late RESUME gets an answer. Bounded: the oldest goes first. */
import type { Limits } from './limit.ts';

/** How a stream ended, remembered for a while to answer a late RESUME. */
export type Tombstone = { kind: 'done'; received: number } | { kind: 'reset'; code: number; text: string };

/** One per endpoint. Relies on a Map keeping the order of insertion, which here is the order of time. */
export class TombstoneTable {
  readonly #limits: Limits;
  readonly #byKey = new Map<string, { tombstone: Tombstone; until: number }>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byKey.size;
  }

  add(key: string, tombstone: Tombstone, now: number): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, { tombstone, until: now + this.#limits.tombstoneMs });
    if (this.#byKey.size > this.#limits.tombstonesMax) {
      const [oldest] = this.#byKey.keys();
      if (oldest !== undefined) this.#byKey.delete(oldest);
    }
  }

  get(key: string, now: number): Tombstone | null {
    const entry = this.#byKey.get(key);
    return entry === undefined || entry.until <= now ? null : entry.tombstone;
  }

  sweep(now: number): void {
    for (const [key, { until }] of this.#byKey) {
      if (until > now) return;
      this.#byKey.delete(key);
    }
  }
}
