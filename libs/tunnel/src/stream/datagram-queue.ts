/** Datagrams that wait for their turn: no credit, not kept, not sent again. A new one pushes out the oldest. */
import { datagramMemory } from '../memory/datagram-memory.ts';
import { Fifo } from '../memory/fifo.ts';
import { headerBytes, payloadBytesMax } from '../frame/frame.ts';

/** Counts each with its header, so that empty ones are bounded too. Whoever made it calls `clear` in the end. */
export class DatagramQueue {
  readonly #scope: string;
  readonly #bytesMax: number;
  readonly #itemBytesMax: number;
  readonly #queue = new Fifo<Buffer>();
  #bytes = 0;

  /** `scope` is the gateway whose they are. */
  constructor(scope: string, bytesMax: number, itemBytesMax = payloadBytesMax) {
    this.#scope = scope;
    this.#bytesMax = bytesMax;
    this.#itemBytesMax = itemBytesMax;
  }

  get first(): Buffer | undefined {
    return this.#queue.first;
  }

  /**
   * Takes a copy, and returns how many were dropped. One that no frame can hold is, and so is one that finds no room in an
   * empty queue.
   */
  push(payload: Uint8Array): number {
    if (payload.length > this.#itemBytesMax) return 1;
    const waiting = this.#queue.length;
    if (!this.#makeRoom(payload)) return waiting + 1;
    const dropped = waiting - this.#queue.length;
    this.#queue.push(Buffer.from(payload));
    this.#bytes += payload.length + headerBytes;
    return dropped;
  }

  shift(): Buffer | undefined {
    const payload = this.#queue.shift();
    if (payload === undefined) return undefined;
    this.#bytes -= payload.length + headerBytes;
    datagramMemory.give(this.#scope, payload);
    return payload;
  }

  /** Lets all go; they are not counted as dropped. */
  clear(): void {
    while (this.shift() !== undefined);
  }

  /** Takes what it needs of the process's memory. */
  #makeRoom(payload: Uint8Array): boolean {
    const bytes = payload.length + headerBytes;
    for (;;) {
      const fits = this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
      if (fits && datagramMemory.take(this.#scope, payload)) return true;
      if (this.shift() === undefined) return false;
    }
  }
}
