/**
 * The order in which a client is given the nodes: those of different failure domains first, at random within. The
 * client takes them in this order, so its tunnels end in different zones where there are several, and clients spread.
 */
import type { NodeAddress } from '@postern/contracts';

const nodesMax = 64;

/** At most 64 addresses: one of each zone, then the second of each, and so on; those of `last` after all others. */
export function orderNodes(
  nodes: readonly NodeAddress[],
  last: readonly NodeAddress[] = [],
  random: () => number = Math.random,
): NodeAddress[] {
  return [...byZone(nodes, random), ...byZone(last, random)].slice(0, nodesMax);
}

function byZone(nodes: readonly NodeAddress[], random: () => number): NodeAddress[] {
  const zones = new Map<string, NodeAddress[]>();
  for (const node of shuffled(nodes, random)) {
    // A node without a zone is a failure domain of its own.
    const zone = node.zone === '' ? `node ${node.node}` : `zone ${node.zone}`;
    const siblings = zones.get(zone);
    if (siblings === undefined) zones.set(zone, [node]);
    else siblings.push(node);
  }
  const queues = [...zones.values()];
  const rounds = Math.max(0, ...queues.map((queue) => queue.length));
  return Array.from({ length: rounds }, (_, round) => queues.flatMap((queue) => queue[round] ?? [])).flat();
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
