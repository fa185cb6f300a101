/**
 * What each gateway's callers did at this node since its start, of those that are over. One look-up for each caller at its
 * end; gateways are made by operators and bounded, and beyond the bound they share one row.
 */

/** Gateways that are counted apart. */
export const gatewaysCountedMax = 1_000;
const other = '_OTHER';

/** One caller, or one request of it, that is over. */
export interface EndedCaller {
  /** Streams that a client took for it. */
  streams: number;
  fromCallers: number;
  toCallers: number;
  /** It was turned away or cut. */
  refused: number;
}

/** One gateway as metrics show it. */
export interface GatewayCounts extends EndedCaller {
  gatewayId: string;
  tunnels: number;
  callers: number;
}

/** Sums by gateway, and of all. */
export class GatewayTotals {
  readonly all: EndedCaller = { streams: 0, fromCallers: 0, toCallers: 0, refused: 0 };
  readonly #byGateway = new Map<string, EndedCaller>();

  add(gatewayId: string, ended: EndedCaller): void {
    addTo(this.all, ended);
    addTo(this.#row(gatewayId), ended);
  }

  /** The rows, with those of `known` gateways even when nothing was counted for them. */
  *rows(known: Iterable<string>): Iterable<EndedCaller & { gatewayId: string }> {
    for (const gatewayId of known) this.#row(gatewayId);
    for (const [gatewayId, row] of this.#byGateway) yield { gatewayId, ...row };
  }

  #row(gatewayId: string): EndedCaller {
    const found = this.#byGateway.get(gatewayId);
    if (found !== undefined) return found;
    const key = this.#byGateway.size < gatewaysCountedMax ? gatewayId : other;
    const row = this.#byGateway.get(key) ?? { streams: 0, fromCallers: 0, toCallers: 0, refused: 0 };
    this.#byGateway.set(key, row);
    return row;
  }
}

function addTo(sum: EndedCaller, { streams, fromCallers, toCallers, refused }: EndedCaller): void {
  sum.streams += streams;
  sum.fromCallers += fromCallers;
  sum.toCallers += toCallers;
  sum.refused += refused;
}
