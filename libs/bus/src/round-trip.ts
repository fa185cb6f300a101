/**
 * How long a message takes to the server and back. A slow way there fails nothing of itself: the answers to questions come late,
 * and those that ask have given up by then. So it is measured, and an answer that is still awaited counts for as long as it
 * has been.
 */
export class RoundTrip {
  readonly #now: () => number;
  #lastMs: number | null = null;
  #askedAt: number | null = null;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The last one; null until the server has been asked, and after it was lost. */
  get seconds(): number | null {
    const awaitedMs = this.#askedAt === null ? null : this.#now() - this.#askedAt;
    const ms =
      this.#lastMs === null || awaitedMs === null
        ? (this.#lastMs ?? awaitedMs)
        : Math.max(this.#lastMs, awaitedMs);
    return ms === null ? null : ms / 1_000;
  }

  /** Measures, one at a time; `ask` resolves when the server has answered, and rejects when it is lost. */
  async measure(ask: () => Promise<void>): Promise<void> {
    if (this.#askedAt !== null) return;
    const askedAt = this.#now();
    this.#askedAt = askedAt;
    this.#lastMs = await ask().then(
      () => this.#now() - askedAt,
      () => null,
    );
    this.#askedAt = null;
  }
}
