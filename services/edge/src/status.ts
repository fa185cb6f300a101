/** What `/status` shows of the edge: JSON for people, no secrets, bounded by what the node holds. */
import type { Fronts } from './caller/fronts.ts';
import type { NodeParts } from './node-parts.ts';
import type { Refusals } from './caller/refusals.ts';
import type { Tunnels } from './client/tunnels.ts';

/** How many tunnels and fronts are shown one by one. */
const shownMax = 1_000;

/** The status of the node; `ports` are those that it took. */
export function edgeStatus(node: NodeParts, ports: object): object {
  const { callers, cloud, tunnels, fronts, refusals } = node;
  const { options, version } = node.given;
  const { name, zone } = options;
  const { own, held } = node.certificates;
  const { fingerprint, notAfter, renewAt } = own.current ?? {};
  return {
    name,
    zone,
    bootId: node.bootId,
    version,
    draining: node.drain.active,
    ports,
    links: node.links.nodes,
    acl: { inReach: node.aclReach.inReach, ticketKeys: node.keys.size },
    certificate: { fingerprint, notAfter, renewAt, fault: own.fault },
    certificates: held.status(),
    callers: {
      open: callers.size,
      opening: callers.opening,
      max: options.connectionsMax,
      ...callers.totals(),
    },
    cloud: {
      open: cloud.streams.size,
      dialling: cloud.streams.dialling,
      ...cloud.streams.totals,
      shown: shownCloud(node),
    },
    memory: node.endpoint.memory,
    compression: node.compression.counts,
    refusals: Object.fromEntries(refusals.counts),
    tunnels: { count: tunnels.size, shown: shownTunnels(tunnels) },
    fronts: { count: fronts.size, shown: shownFronts(fronts, refusals) },
  };
}

function shownTunnels(tunnels: Tunnels): object[] {
  return firstOf(tunnels.all()).map(({ id, gatewayId, clientId, tokenId, session }) => ({
    id,
    gatewayId,
    clientId,
    tokenId,
    transport: session.transport,
    address: session.remoteAddress,
    connectedAt: session.connectedAt.toISOString(),
    roundTripMs: session.roundTripMs,
    streams: session.streamCount,
    draining: !session.usable,
  }));
}

function shownFronts(fronts: Fronts, refusals: Refusals): object[] {
  return firstOf(fronts.states()).map((state) => ({
    ...state,
    lastRefusals: refusals.last(state.destinationId),
  }));
}

function shownCloud({ cloud: { book }, tunnels, refusals }: NodeParts): object[] {
  return firstOf(book.routes()).map(({ id, gatewayId, name, enabled, gatewayEnabled, clientPort }) => ({
    destinationId: id,
    name,
    enabled: enabled && gatewayEnabled,
    clientPort,
    listening: [...tunnels.of(gatewayId)].flatMap((tunnel) =>
      book
        .statesOf(tunnel)
        .filter(({ destinationId }) => destinationId === id)
        .map(({ listening, error }) => ({ clientId: tunnel.clientId, listening, error })),
    ),
    lastRefusals: refusals.last(id),
  }));
}

function firstOf<T>(items: Iterable<T>): T[] {
  return Iterator.from(items).take(shownMax).toArray();
}
