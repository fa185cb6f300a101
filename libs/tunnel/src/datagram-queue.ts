/** Datagrams that wait for their turn: no credit, not kept, not sent again. A new one pushes out the oldest. */
import { Fifo } from './fifo.ts';
import { headerBytes, payloadBytesMax } from './frame.ts';

/** Counts each with its header, so that empty ones are bounded too. */
export class DatagramQueue {
  dropped = 0;
  readonly #bytesMax: number;
  readonly #itemBytesMax: number;
  readonly #queue = new Fifo<Buffer>();
  #bytes = 0;

  constructor(bytesMax: number, itemBytesMax = payloadBytesMax) {
    this.#bytesMax = bytesMax;
    this.#itemBytesMax = itemBytesMax;
  }

  get first(): Buffer | undefined {
    return this.#queue.first;
  }

  /** Takes a copy. One that no frame can hold is dropped. */
  push(payload: Uint8Array): void {
    if (payload.length > this.#itemBytesMax) {
      this.dropped += 1;
      return;
    }
    this.#queue.push(Buffer.from(payload));
    this.#bytes += payload.length + headerBytes;
    while (this.#bytes > this.#bytesMax && this.#queue.length > 1) {
      this.shift();
      this.dropped += 1;
    }
  }

  shift(): Buffer | undefined {
    const payload = this.#queue.shift();
    if (payload !== undefined) this.#bytes -= payload.length + headerBytes;
    return payload;
  }

  /** Lets all go; they are not counted as dropped. */
  clear(): void {
    this.#queue.clear();
    this.#bytes = 0;
  }
}
