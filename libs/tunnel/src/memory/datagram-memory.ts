/**
 * What datagrams that wait take of this process, all flows together. Who forges addresses has as many flows as there may be,
 * each with a queue of its own, and what waits for a client that is gone waits for a minute: so bounds of a flow do not add
 * up to one of the process.
 *
 *     [ one gateway's │ another's │ free: nobody has more than this ]
 *
 * A gateway may have as much as is free: alone half of all, and the next to come always finds some.
 */

/** Of all together. */
export const datagramMemoryBytesMax = 134_217_728;
/** What a buffer costs beside its bytes: many small ones cost many times what they hold. */
const bufferBytes = 256;

/** Who has how much; whoever took for a datagram gives it back, once. */
export class DatagramMemory {
  readonly #bytesMax: number;
  readonly #byScope = new Map<string, number>();
  #used = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes room for one of this gateway's; false where there is none. */
  take(scope: string, { length }: Uint8Array): boolean {
    const bytes = length + bufferBytes;
    const own = (this.#byScope.get(scope) ?? 0) + bytes;
    const used = this.#used + bytes;
    if (own > this.#bytesMax - used) return false;
    this.#byScope.set(scope, own);
    this.#used = used;
    return true;
  }

  give(scope: string, { length }: Uint8Array): void {
    const bytes = length + bufferBytes;
    const own = (this.#byScope.get(scope) ?? 0) - bytes;
    if (own > 0) this.#byScope.set(scope, own);
    else this.#byScope.delete(scope);
    this.#used -= bytes;
  }
}

/** This process's. */
export const datagramMemory = new DatagramMemory(datagramMemoryBytesMax);
