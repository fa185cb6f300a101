/**
 * How many lines of one sort the log takes: so many a second, then only a count of those left out, which the next line
 * carries. A caller that hammers a closed door costs a few numbers, not the disk.
 */
export class LineLimit {
  readonly #perSecondMax: number;
  readonly #now: () => number;
  #second = -1;
  #lines = 0;
  #leftOut = 0;

  constructor(perSecondMax: number, now: () => number = () => performance.now()) {
    this.#perSecondMax = perSecondMax;
    this.#now = now;
  }

  /** Null when this line is left out; else how many were left out before it. */
  take(): number | null {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines >= this.#perSecondMax) {
      this.#leftOut += 1;
      return null;
    }
    this.#lines += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
