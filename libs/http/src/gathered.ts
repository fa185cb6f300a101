/**
 * Bytes of one thing that comes in pieces. What comes at once takes no more than it is; then it grows by doubling, so
 * that a caller that sends single bytes costs no more than one that sends all at once. How much may come is for its
 * user to bound.
 */

/** Bytes that are gathered; `start` itself is never written to. */
export class Gathered {
  #buffer: Buffer;
  #bytes: number;

  constructor(start: Buffer) {
    this.#buffer = start;
    this.#bytes = start.length;
  }

  get length(): number {
    return this.#bytes;
  }

  /** All that has come. */
  get all(): Buffer {
    return this.#buffer.subarray(0, this.#bytes);
  }

  /** Takes a copy of `bytes`; returns all that has come. */
  add(bytes: Buffer): Buffer {
    const wanted = this.#bytes + bytes.length;
    if (wanted > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(
        this.#bytes === 0 ? wanted : Math.max(wanted, this.#buffer.length * 2),
      );
      this.#buffer.copy(larger, 0, 0, this.#bytes);
      this.#buffer = larger;
    }
    bytes.copy(this.#buffer, this.#bytes);
    this.#bytes = wanted;
    return this.all;
  }
}
