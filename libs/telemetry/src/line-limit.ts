/**
 * Bounds how many lines a second something may put into the log where strangers cause them. What is left out is counted,
 * and the count goes with the next line.
 */

/** One bound; `take` is asked before each line. */
export class LineLimit {
  readonly #perSecond: number;
  readonly #now: () => number;
  #second = 0;
  #lines = 0;
  #leftOut = 0;

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Null when this second has its lines; else how many were left out since the last one, as the line is to say it. */
  take(): { leftOut?: number } | null {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines >= this.#perSecond) {
      this.#leftOut += 1;
      return null;
    }
    this.#lines += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut > 0 ? { leftOut } : {};
  }
}
