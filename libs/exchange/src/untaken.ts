/**
 * How long a caller may take nothing of what is written for it. Only what has left altogether can be seen to be taken,
 * and that may be much at once: each byte that waits gives a millisecond more, in bounds, so that a slow caller goes on.
 */

/** No more than this many times the time without them, for all bytes that wait. */
const timesMax = 10;

/** What waits for one caller, looked at about once a second. */
export class Untaken {
  #since: number | null = null;
  #bytes = 0;

  /** Whether nothing was taken for too long; `bytes` is what waits now. The first look begins the time. */
  isLate(now: number, bytes: number, timeoutMs: number): boolean {
    if (this.#since === null || bytes < this.#bytes) this.#since = now;
    this.#bytes = bytes;
    return now - this.#since >= Math.min(timeoutMs + bytes, timeoutMs * timesMax);
  }
}
