/**
 * Places that all gateways have together, of which one has half at most: whatever one of them or its resource does, no
 * other stands outside for it.
 */

/** How many of so many places one gateway may have. */
export function gatewayShare(max: number): number {
  return Math.ceil(max / 2);
}

/** Why there is no place: all of them are taken, or all that one gateway may have. */
export type Full = 'full' | 'gateway full';

/** Counts who has one; where `gatewayId` is null it is not known whose it is, and no gateway's share. */
export class GatewayShares {
  readonly #max: number;
  readonly #byGateway = new Map<string, number>();
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Places that are taken. */
  get total(): number {
    return this.#total;
  }

  /** Why there is none for a gateway; null when there is. */
  whyFull(gatewayId: string | null): Full | null {
    if (this.#total >= this.#max) return 'full';
    const own = gatewayId === null ? 0 : (this.#byGateway.get(gatewayId) ?? 0);
    return own >= gatewayShare(this.#max) ? 'gateway full' : null;
  }

  /** Takes one, whether there is room or not. */
  take(gatewayId: string | null): void {
    this.#total += 1;
    if (gatewayId !== null) this.#byGateway.set(gatewayId, (this.#byGateway.get(gatewayId) ?? 0) + 1);
  }

  /** Gives one back. */
  leave(gatewayId: string | null): void {
    this.#total -= 1;
    if (gatewayId === null) return;
    const left = (this.#byGateway.get(gatewayId) ?? 0) - 1;
    if (left > 0) this.#byGateway.set(gatewayId, left);
    else this.#byGateway.delete(gatewayId);
  }
}
