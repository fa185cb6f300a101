// The order of a run. Peers take turns at each group of figures, so that what is compared was measured close
// together in time, and each round begins with another peer.

import type { Group } from './figure.ts';

/** One turn: a group of figures of one peer. */
export interface Turn<P> {
  readonly round: number;
  readonly group: Group;
  readonly peer: P;
}

/** All turns of a run in their order; without those of peers that take no part in a group. */
export function* schedule<P>(
  peers: readonly P[],
  groups: readonly Group[],
  rounds: number,
  takesPart: (peer: P, group: Group) => boolean = () => true,
): Generator<Turn<P>> {
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) % peers.length;
    const order = [...peers.slice(first), ...peers.slice(0, first)];
    for (const group of groups)
      for (const peer of order) if (takesPart(peer, group)) yield { round, group, peer };
  }
}
