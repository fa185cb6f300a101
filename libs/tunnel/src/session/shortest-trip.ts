/**
 * How long a way is: the shortest of its round trips of late. Of late, because a way can become longer while the connection
 * over it stays (another line takes over, or a machine becomes busy), and by a round trip that no longer is a window would
 * stay small for ever.
 *
 *     ... | former 10 s | the last 10 s at most |      the shortest of both counts
 *
 * A round trip beside much is as long as that took, and what a window lets under way would be what it grows by. So it does
 * not count unless it is shorter than what is known. What counts with at most `besideBytesMax` lets windows grow to a few of
 * those, all of a session together, and no further.
 */

const keptMs = 10_000;
/** Four first windows: a stream that fills its own both ways is measured meanwhile. */
const besideBytesMax = 1024 * 1024;

/** One for each way that is measured. */
export class ShortestTrip {
  /** In ms; null before the first. */
  ms: number | null = null;
  #former = Number.POSITIVE_INFINITY;
  #latest = Number.POSITIVE_INFINITY;
  /** Since when `#latest` counts. */
  #since = Number.NEGATIVE_INFINITY;

  /** A round trip has ended, during which so many bytes went over the way. */
  add(tripMs: number, besideBytes: number, now: number): void {
    if (this.ms !== null && tripMs > this.ms && besideBytes > besideBytesMax) return;
    if (now - this.#since >= keptMs) {
      this.#former = this.#latest;
      this.#latest = tripMs;
      this.#since = now;
    } else this.#latest = Math.min(this.#latest, tripMs);
    this.ms = Math.min(this.#former, this.#latest);
  }
}
