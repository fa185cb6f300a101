/**
 * The places of callers' connections on this node. Of all of them one gateway has half at most, and so have those together
 * that have not said yet for which gateway they come; one address has its own bound. Who calls by UDP has an address that
 * anybody can forge, so flows have half of all places together, those of one gateway half of that, and the flows of an
 * address are counted apart from its connections. A connection also wants a file descriptor (`FilePlaces`).
 */
import { type Full, Shares, addressGroup, halfOf } from '@postern/share';
import type { CallerCause } from '../errors.ts';
import { type FilePlaces, nobody, nobodyHasHalf } from '../gate/file-places.ts';

/** How many there are. */
export interface CallerPlacesBounds {
  connectionsMax: number;
  connectionsPerAddressMax: number;
}

interface Bounded {
  readonly shares: Shares;
  readonly texts: Readonly<Record<Full, string>>;
}

/** Who has one. */
export class CallerPlaces {
  readonly #all: Bounded;
  readonly #flows: Bounded;
  readonly #files: FilePlaces;
  readonly #addresses: Shares;
  readonly #flowAddresses: Shares;

  constructor({ connectionsMax, connectionsPerAddressMax }: CallerPlacesBounds, files: FilePlaces) {
    this.#files = files;
    this.#addresses = new Shares(Infinity, connectionsPerAddressMax);
    this.#flowAddresses = new Shares(Infinity, connectionsPerAddressMax);
    this.#all = {
      shares: new Shares(connectionsMax),
      texts: {
        full: 'the node has as many connections as it may',
        'share full': 'the gateway has as many connections as it may',
      },
    };
    this.#flows = {
      shares: new Shares(halfOf(connectionsMax)),
      texts: {
        full: 'UDP callers have as many connections as they may',
        'share full': 'UDP callers of the gateway have as many connections as they may',
      },
    };
  }

  /** Those that are taken. */
  get total(): number {
    return this.#all.shares.total;
  }

  /** Resolves when none is, or the time is over. */
  emptied(withinMs: number): Promise<void> {
    return this.#all.shares.emptied(withinMs);
  }

  /**
   * Takes one for a connection: returns what frees it, idempotent, or why there is none. `gatewayId` is null where only a
   * request will say whose it is.
   */
  enter(address: string, gatewayId: string | null): (() => void) | CallerCause {
    const owner = gatewayId ?? nobody;
    const leave = this.#enter(this.#addresses, address, owner, [this.#all]);
    if (typeof leave !== 'function') return leave;
    const leaveFile = this.#files.enter(owner);
    if (typeof leaveFile !== 'function') {
      leave();
      return leaveFile;
    }
    return () => {
      leave();
      leaveFile();
    };
  }

  /** The same for a UDP flow. */
  enterFlow(address: string, gatewayId: string): (() => void) | CallerCause {
    return this.#enter(this.#flowAddresses, address, gatewayId, [this.#flows, this.#all]);
  }

  #enter(
    addresses: Shares,
    address: string,
    gatewayId: string,
    bounds: readonly Bounded[],
  ): (() => void) | CallerCause {
    for (const { shares, texts } of bounds) {
      const full = shares.whyFull(gatewayId);
      if (full === null) continue;
      const text = full === 'share full' && gatewayId === nobody ? nobodyHasHalf : texts[full];
      return { code: 'EDGE_CONNECTIONS_FULL', text, end: 'edge' };
    }
    const owner = addressGroup(address);
    if (addresses.whyFull(owner) !== null) {
      const text = 'this address has as many connections as it may';
      return { code: 'EDGE_ADDRESS_FULL', text, end: 'edge' };
    }
    addresses.take(owner);
    for (const { shares } of bounds) shares.take(gatewayId);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      addresses.leave(owner);
      for (const { shares } of bounds) shares.leave(gatewayId);
    };
  }
}
