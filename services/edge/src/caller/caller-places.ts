/**
 * The places of callers' connections on this node. Of all of them one gateway has half at most, and so have those together
 * that have not said yet for which gateway they come; one address has its own bound. Who calls by UDP has an address that
 * anybody can forge, so flows have half of all places together, those of one gateway half of that, and the flows of an
 * address are counted apart from its connections. A connection also wants a file descriptor, of which callers leave some to
 * the rest of the node, and one gateway's half to the others'.
 */
import { type Full, Shares, addressGroup, halfOf } from '@postern/share';
import { FileReserve } from '@postern/telemetry';
import type { CallerCause } from '../errors.ts';

/** How many there are. */
export interface CallerPlacesBounds {
  connectionsMax: number;
  connectionsPerAddressMax: number;
}

interface Bounded {
  readonly shares: Shares;
  readonly texts: Readonly<Record<Full, string>>;
}

/** The owner of the places of those who have not said yet for which gateway they come. */
const nobody = '';
const nobodyHasHalf = 'callers who have not said yet what they ask for have as many connections as they may';
const raise = 'raise its limit (ulimit -n, LimitNOFILE)';

/** Who has one. */
export class CallerPlaces {
  readonly #all: Bounded;
  readonly #flows: Bounded;
  readonly #descriptors: Bounded;
  readonly #files: FileReserve;
  readonly #addresses: Shares;
  readonly #flowAddresses: Shares;

  constructor({ connectionsMax, connectionsPerAddressMax }: CallerPlacesBounds, files = new FileReserve()) {
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
    this.#descriptors = {
      shares: new Shares(files.most),
      texts: {
        full: `the node has no file descriptors left for callers: ${raise}`,
        'share full': `the gateway has half of the file descriptors that the node has for callers: ${raise}`,
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
    const place = this.#enter(this.#addresses, address, gatewayId ?? nobody, [this.#all, this.#descriptors]);
    if (typeof place !== 'function' || this.#files.take()) return place;
    place();
    return { code: 'EDGE_CONNECTIONS_FULL', text: this.#descriptors.texts.full, end: 'edge' };
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
