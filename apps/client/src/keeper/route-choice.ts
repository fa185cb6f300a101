/**
 * In which order the ways to a node are tried. Pure.
 *
 * Direct TLS comes before the WebSocket; a node that holds no tunnel of ours before one that does; another failure
 * domain before the same; one that did not fail lately before one that did; then the order of the platform's list.
 * While no direct tunnel is up the WebSocket comes second at the latest, since the port may be closed for all nodes.
 */
import type { NodeAddress } from '@postern/contracts';

/** How a tunnel is carried. */
export type Transport = 'direct' | 'websocket';

/** One way to dial: straight to a node, or a WebSocket to the platform's host, which picks the node. */
export interface Way {
  readonly transport: Transport;
  readonly address: NodeAddress | null;
}

/** What is known when a way is chosen. */
export interface RouteKnowledge {
  readonly transport: 'auto' | Transport;
  readonly nodes: readonly NodeAddress[];
  /** Names of nodes that hold or are being dialled for a tunnel of ours, draining ones too. */
  readonly held: readonly string[];
  /** When a direct address failed last, by `addressKey`. */
  readonly failedAt: ReadonlyMap<string, number>;
  /** Whether a direct tunnel is up now: then the port is open in general. */
  readonly directIsUp: boolean;
  /** Whether direct tunnels failed where a WebSocket then worked. */
  readonly directIsBlocked: boolean;
}

/** The most direct addresses that are tried in one round. */
const directWaysMax = 3;

/** The ways of one round, best first; never empty unless direct alone is allowed and no node is known. */
export function chooseWays(knowledge: RouteKnowledge): Way[] {
  const websocket: Way = { transport: 'websocket', address: null };
  if (knowledge.transport === 'websocket') return [websocket];
  const direct = rankAddresses(knowledge)
    .slice(0, directWaysMax)
    .map((address): Way => ({ transport: 'direct', address }));
  if (knowledge.transport === 'direct') return direct;
  if (knowledge.directIsUp) return [...direct, websocket];
  if (knowledge.directIsBlocked) return [websocket, ...direct.slice(0, 1)];
  return [...direct.slice(0, 1), websocket, ...direct.slice(1)];
}

/** The nodes' addresses, best first. */
export function rankAddresses(knowledge: RouteKnowledge): NodeAddress[] {
  const { nodes, held, failedAt } = knowledge;
  const zoneOf = new Map(nodes.map(({ node, zone }) => [node, zone]));
  const heldZones = held.map((node) => zoneOf.get(node)).filter((zone) => zone !== undefined && zone !== '');
  const cost = (address: NodeAddress): number[] => [
    held.filter((node) => node === address.node).length,
    failedAt.has(addressKey(address)) ? 1 : 0,
    heldZones.filter((zone) => zone === address.zone).length,
    failedAt.get(addressKey(address)) ?? 0,
  ];
  return nodes
    .map((address, index) => ({ address, cost: [...cost(address), index] }))
    .sort((left, right) => compare(left.cost, right.cost))
    .map(({ address }) => address);
}

/** What tells one address from another. */
export function addressKey({ host, port, serverName }: NodeAddress): string {
  return `${serverName} ${host} ${port}`;
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
