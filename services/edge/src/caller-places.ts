/**
 * The places of callers' connections on this node. Of all of them one gateway has half at most; one address has its own
 * bound. Who calls by UDP has an address that anybody can forge, so flows have half of all places together, and those of
 * one gateway half of that.
 */
import { AddressCount } from './admission.ts';
import type { CallerCause } from './errors.ts';
import { GatewayShares, gatewayShare } from './gateway-shares.ts';

/** How many there are. */
export interface CallerPlacesBounds {
  connectionsMax: number;
  connectionsPerAddressMax: number;
}

/** Who has one. */
export class CallerPlaces {
  readonly #addresses: AddressCount;
  readonly #gateways: GatewayShares;
  readonly #flows: GatewayShares;

  constructor({ connectionsMax, connectionsPerAddressMax }: CallerPlacesBounds) {
    this.#addresses = new AddressCount({ max: connectionsMax, perAddressMax: connectionsPerAddressMax });
    this.#gateways = new GatewayShares(connectionsMax);
    this.#flows = new GatewayShares(gatewayShare(connectionsMax));
  }

  /** Those that are taken. */
  get total(): number {
    return this.#addresses.total;
  }

  /**
   * Takes one for a connection: returns what frees it, idempotent, or why there is none. `gatewayId` is null where only a
   * request will say whose it is.
   */
  enter(address: string, gatewayId: string | null): (() => void) | CallerCause {
    return this.#enter(address, gatewayId === null ? [] : [this.#gateways], gatewayId ?? '');
  }

  /** The same for a UDP flow. */
  enterFlow(address: string, gatewayId: string): (() => void) | CallerCause {
    switch (this.#flows.whyFull(gatewayId)) {
      case 'full':
        return full('UDP callers have as many connections as they may');
      case 'gateway full':
        return full('UDP callers of the gateway have as many connections as they may');
      case null:
        return this.#enter(address, [this.#gateways, this.#flows], gatewayId);
    }
  }

  #enter(address: string, shares: readonly GatewayShares[], gatewayId: string): (() => void) | CallerCause {
    const cause = this.#whyFull(address, shares, gatewayId);
    if (cause !== null) return cause;
    for (const share of shares) share.take(gatewayId);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#addresses.leave(address);
      for (const share of shares) share.leave(gatewayId);
    };
  }

  /** Counts the address where there is a place. */
  #whyFull(address: string, [gateways]: readonly GatewayShares[], gatewayId: string): CallerCause | null {
    if (gateways?.whyFull(gatewayId) === 'gateway full')
      return full('the gateway has as many connections as it may');
    switch (this.#addresses.enter(address)) {
      case 'full':
        return full('the node has as many connections as it may');
      case 'address full':
        return {
          code: 'EDGE_ADDRESS_FULL',
          text: 'this address has as many connections as it may',
          end: 'edge',
        };
      case 'entered':
        return null;
    }
  }
}

function full(text: string): CallerCause {
  return { code: 'EDGE_CONNECTIONS_FULL', text, end: 'edge' };
}
