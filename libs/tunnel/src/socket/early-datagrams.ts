/**
 * Datagrams that came before their other end was there: the first are kept in order, what comes beyond is dropped.
 * One flow may keep as much as a queue of the tunnel.
 */
import { datagramMemory } from '../memory/datagram-memory.ts';
import { headerBytes } from '../frame/frame.ts';

const bytesMax = 262_144;

/** Kept until `clear`, which whoever made it calls in the end. */
export class EarlyDatagrams {
  readonly #scope: string;
  #items: Buffer[] = [];
  #bytes = 0;

  /** `scope` is the gateway whose they are. */
  constructor(scope: string) {
    this.#scope = scope;
  }

  get items(): readonly Buffer[] {
    return this.#items;
  }

  /** Keeps it; false where there is no room, and it is dropped. Takes the buffer over. Each counts with a header, so that empty ones are bounded too. */
  push(payload: Buffer): boolean {
    const bytes = payload.length + headerBytes;
    if (this.#bytes + bytes > bytesMax || !datagramMemory.take(this.#scope, payload)) return false;
    this.#items.push(payload);
    this.#bytes += bytes;
    return true;
  }

  /** Lets go of all. */
  clear(): void {
    for (const payload of this.#items) datagramMemory.give(this.#scope, payload);
    this.#items = [];
    this.#bytes = 0;
  }
}
