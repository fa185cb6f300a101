/** How long a worker that died is missed before it is started again: at first not at all, then twice as long each time. */

const firstMs = 100;
const lastMs = 10_000;
/** A worker that lived for so long has recovered. */
const calmAfterMs = 60_000;

/** The waits of one worker; `now` is in milliseconds. */
export class Backoff {
  readonly #now: () => number;
  #failures = 0;
  #startedAt = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** It is started now. */
  started(): void {
    this.#startedAt = this.#now();
  }

  /** It has died; milliseconds until it is to be started again. */
  next(): number {
    if (this.#now() - this.#startedAt >= calmAfterMs) this.#failures = 0;
    this.#failures += 1;
    return this.#failures === 1 ? 0 : Math.min(firstMs * 2 ** (this.#failures - 2), lastMs);
  }
}
