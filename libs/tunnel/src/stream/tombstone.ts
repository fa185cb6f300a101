/**
 * How streams ended, kept for a while so that a late RESUME gets an answer. Bounded: where one gateway's are too many, or
 * all, the oldest of the gateway that has one more goes, and none of another's.
 */
import type { Limits } from '../limit.ts';

/** How a stream ended, remembered for a while to answer a late RESUME. */
export type Tombstone = { kind: 'done'; received: number } | { kind: 'reset'; code: number; text: string };

interface Entry {
  readonly tombstone: Tombstone;
  readonly until: number;
}

/** One per endpoint. Relies on a Map keeping the order of insertion, which here is the order of time. */
export class TombstoneTable {
  readonly #limits: Limits;
  readonly #byScope = new Map<string, Map<string, Entry>>();
  #size = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  add(scope: string, key: string, tombstone: Tombstone, now: number): void {
    const own = this.#byScope.get(scope) ?? new Map<string, Entry>();
    this.#byScope.set(scope, own);
    this.#delete(own, key);
    own.set(key, { tombstone, until: now + this.#limits.tombstoneMs });
    this.#size += 1;
    const { tombstonesMax, tombstonesPerGatewayMax } = this.#limits;
    if (this.#size <= tombstonesMax && own.size <= tombstonesPerGatewayMax) return;
    const [oldest] = own.keys();
    if (oldest !== undefined) this.#delete(own, oldest);
  }

  get(scope: string, key: string, now: number): Tombstone | null {
    const entry = this.#byScope.get(scope)?.get(key);
    return entry === undefined || entry.until <= now ? null : entry.tombstone;
  }

  sweep(now: number): void {
    for (const [scope, own] of this.#byScope) {
      for (const [key, { until }] of own) {
        if (until > now) break;
        this.#delete(own, key);
      }
      if (own.size === 0) this.#byScope.delete(scope);
    }
  }

  #delete(own: Map<string, Entry>, key: string): void {
    if (own.delete(key)) this.#size -= 1;
  }
}
