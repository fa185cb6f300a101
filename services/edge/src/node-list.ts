/**
 * The nodes that a client is sent to: those that are ready and not draining, this one among them, those of different
 * failure domains first, at random within. The client takes them in this order, so its tunnels end in different zones
 * where there are several.
 */
import type { NodeAddress } from '@postern/contracts';

const nodesMax = 64;

/** At most 64 addresses, one of each zone, then the second of each, and so on. */
export function orderNodes(nodes: readonly NodeAddress[], random: () => number = Math.random): NodeAddress[] {
  const zones = new Map<string, NodeAddress[]>();
  for (const node of shuffled(nodes, random)) {
    // A node without a zone is a failure domain of its own.
    const zone = node.zone === '' ? `node ${node.node}` : `zone ${node.zone}`;
    zones.set(zone, [...(zones.get(zone) ?? []), node]);
  }
  const ordered: NodeAddress[] = [];
  const queues = [...zones.values()];
  for (let round = 0; ordered.length < Math.min(nodes.length, nodesMax); round += 1) {
    for (const queue of queues) {
      const node = queue[round];
      if (node !== undefined && ordered.length < nodesMax) ordered.push(node);
    }
  }
  return ordered;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
