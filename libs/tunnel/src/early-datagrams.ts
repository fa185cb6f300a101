/** Datagrams that came before their other end was there: the first few are kept, what comes beyond is dropped and counted. */

const itemsMax = 16;
/** One of the largest fits. */
const bytesMax = 131_072;

/** Kept in order. */
export class EarlyDatagrams {
  dropped = 0;
  #items: Buffer[] = [];
  #bytes = 0;

  get items(): readonly Buffer[] {
    return this.#items;
  }

  /** Keeps it, or drops it where there are too many. Takes the buffer over. */
  push(payload: Buffer): void {
    if (this.#items.length >= itemsMax || this.#bytes + payload.length > bytesMax) {
      this.dropped += 1;
      return;
    }
    this.#items.push(payload);
    this.#bytes += payload.length;
  }

  clear(): void {
    this.#items = [];
    this.#bytes = 0;
  }
}
