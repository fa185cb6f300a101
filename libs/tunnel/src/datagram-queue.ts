/** Datagrams that wait for their turn: no credit, not kept, not sent again. A new one pushes out the oldest. */
export class DatagramQueue {
  dropped = 0;
  readonly #bytesMax: number;
  readonly #queue: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get first(): Buffer | undefined {
    return this.#queue[0];
  }

  /** Takes a copy. */
  push(payload: Uint8Array): void {
    this.#queue.push(Buffer.from(payload));
    this.#bytes += payload.length;
    while (this.#bytes > this.#bytesMax && this.#queue.length > 1) {
      this.shift();
      this.dropped += 1;
    }
  }

  shift(): Buffer | undefined {
    const payload = this.#queue.shift();
    if (payload !== undefined) this.#bytes -= payload.length;
    return payload;
  }
}
