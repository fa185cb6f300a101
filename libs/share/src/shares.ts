/**
 * Places that all owners have together, of which one has its share at most: whatever a gateway, an address or their
 * resource does, no other stands outside for it.
 */
import { Counts } from './counts.ts';

/** How much of so much one owner may have where nothing else is said. */
export function halfOf(max: number): number {
  return Math.ceil(max / 2);
}

/** Why there is no place: all of them are taken, or all that one owner may have. */
export type Full = 'full' | 'share full';

/** Counts who has one; where the owner is null it is not known whose it is, and it is in nobody's share. */
export class Shares {
  readonly #max: number;
  readonly #perOwnerMax: number;
  readonly #taken = new Counts();
  #total = 0;
  #whenEmpty: (() => void) | null = null;

  constructor(max: number, perOwnerMax: number = halfOf(max)) {
    this.#max = max;
    this.#perOwnerMax = perOwnerMax;
  }

  /** Places that are taken. */
  get total(): number {
    return this.#total;
  }

  /** Why there is none for an owner; null when there is. */
  whyFull(owner: string | null): Full | null {
    if (this.#total >= this.#max) return 'full';
    return owner !== null && this.#taken.of(owner) >= this.#perOwnerMax ? 'share full' : null;
  }

  /** Takes one, whether there is room or not. */
  take(owner: string | null): void {
    this.#total += 1;
    if (owner !== null) this.#taken.add(owner);
  }

  /** Gives one back. */
  leave(owner: string | null): void {
    this.#total -= 1;
    if (owner !== null) this.#taken.remove(owner);
    if (this.#total === 0) this.#whenEmpty?.();
  }

  /** Takes one for as long as the work lasts. */
  async during<Result>(owner: string, work: () => Promise<Result>): Promise<Result> {
    this.take(owner);
    try {
      return await work();
    } finally {
      this.leave(owner);
    }
  }

  /** Resolves when none is taken any more, or the time is over. */
  async emptied(withinMs: number): Promise<void> {
    if (this.#total === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEmpty = resolve;
    const timer = setTimeout(resolve, withinMs);
    await promise;
    clearTimeout(timer);
  }
}
