/**
 * Bounds how many traces begin in a second. A sampled caller costs about a millisecond of both ends together, a hundred
 * times as much as one that is not, so a share alone costs most where there is least to spare.
 */

/** One bound: so many a second, and as many at once after a pause. */
export class TraceRate {
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #filledAt: number;

  /** `now` is a monotonic time in milliseconds. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = perSecond;
    this.#filledAt = now();
  }

  /** Whether one more may begin. */
  take(): boolean {
    const now = this.#now();
    const filled = ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond, this.#left + filled);
    this.#filledAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
