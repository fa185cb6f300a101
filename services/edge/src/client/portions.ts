/**
 * How much of what the clients of one gateway say is told to the other nodes at a time: whoever has one token has many
 * clients, and each node reads what each says. What is more is told with the next.
 */

/** Those of one telling. */
export class Portions {
  readonly #sizeMax: number;
  readonly #left = new Map<string, number>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Whether this is told now. It may be larger than what is left, or it would never be. */
  take(gatewayId: string, size: number): boolean {
    const left = this.#left.get(gatewayId) ?? this.#sizeMax;
    if (left <= 0) return false;
    this.#left.set(gatewayId, left - size);
    return true;
  }
}
