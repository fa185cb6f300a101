/**
 * Room for buffers that wait, which gateways share:
 *
 *     [ one gateway's │ another's │ free: nobody has more than this ]
 *
 * A gateway may have as much as is free: alone half of all, and the next to come always finds some.
 */

/** What a buffer costs beside its bytes: many small ones cost many times what they hold. */
export const bufferBytes = 256;

/** Who has how much; whoever took for a buffer gives it back, once. */
export class ScopeRoom {
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
