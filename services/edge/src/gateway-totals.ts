/**
 * What each gateway's callers did at this node since its start, of those that are over. One look-up for each caller at its
 * end; gateways are made by operators and bounded, and beyond the bound they share one row.
 */
import type { Multimap } from '@postern/tunnel';

/** Gateways that are counted apart. */
export const gatewaysCountedMax = 1_000;
/** The row of all others. */
export const otherGateways = '_OTHER';

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

  /** The rows of the gateways that there are, also where nothing was counted for them; those of others are given up. */
  *rows(known: Iterable<string>): Iterable<EndedCaller & { gatewayId: string }> {
    const all = new Set(known).add(otherGateways);
    for (const gatewayId of this.#byGateway.keys()) {
      if (!all.has(gatewayId)) this.#byGateway.delete(gatewayId);
    }
    all.delete(otherGateways);
    for (const gatewayId of all) this.#row(gatewayId);
    for (const [gatewayId, row] of this.#byGateway) yield { gatewayId, ...row };
  }

  #row(gatewayId: string): EndedCaller {
    const key = rowOf(gatewayId, this.#byGateway);
    const row = this.#byGateway.get(key) ?? { streams: 0, fromCallers: 0, toCallers: 0, refused: 0 };
    this.#byGateway.set(key, row);
    return row;
  }
}

/** The row of a gateway, of what is counted by gateway: its own, or within the bound a new one, or that of all others. */
export function rowOf(gatewayId: string, rows: ReadonlyMap<string, unknown>): string {
  const own = rows.size - (rows.has(otherGateways) ? 1 : 0);
  return rows.has(gatewayId) || own < gatewaysCountedMax ? gatewayId : otherGateways;
}

/** How many a row has now, by how many each gateway has: in the row of all others are those that no row is for. */
export function countsOfRows(
  gatewayIds: readonly string[],
  byGateway: Pick<Multimap<unknown>, 'count' | 'countAll'>,
): number[] {
  const counts = gatewayIds.map((gatewayId) => byGateway.count(gatewayId));
  const shown = counts.reduce((sum, count) => sum + count, 0);
  return gatewayIds.map((gatewayId, at) =>
    gatewayId === otherGateways ? byGateway.countAll() - shown : (counts[at] ?? 0),
  );
}

function addTo(sum: EndedCaller, { streams, fromCallers, toCallers, refused }: EndedCaller): void {
  sum.streams += streams;
  sum.fromCallers += fromCallers;
  sum.toCallers += toCallers;
  sum.refused += refused;
}
