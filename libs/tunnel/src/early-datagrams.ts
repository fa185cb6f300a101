/**
 * Datagrams that came before their other end was there: the first are kept in order, what comes beyond is dropped and
 * counted. One flow may keep as much as a queue of the tunnel; all of this process together have a bound of their own,
 * since a flood of new flows is what a stranger can cause.
 */
import { headerBytes } from './frame.ts';

const bytesMax = 262_144;
const processBytesMax = 33_554_432;
let processBytes = 0;

/** Kept until `clear`, which whoever made it calls in the end. */
export class EarlyDatagrams {
  dropped = 0;
  #items: Buffer[] = [];
  #bytes = 0;

  get items(): readonly Buffer[] {
    return this.#items;
  }

  /** Keeps it, or drops it where there is no room. Takes the buffer over. Each counts with a header, so that empty ones are bounded too. */
  push(payload: Buffer): void {
    const bytes = payload.length + headerBytes;
    if (this.#bytes + bytes > bytesMax || processBytes + bytes > processBytesMax) {
      this.dropped += 1;
      return;
    }
    this.#items.push(payload);
    this.#bytes += bytes;
    processBytes += bytes;
  }

  /** Lets go of all. */
  clear(): void {
    this.#items = [];
    processBytes -= this.#bytes;
    this.#bytes = 0;
  }
}
