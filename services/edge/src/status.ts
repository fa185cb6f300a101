/** What `/status` shows of the edge: JSON for people, no secrets, bounded by what the node holds. */
import type { CallerBounds } from './callers.ts';
import type { Certificates } from './certificates.ts';
import type { Fronts } from './fronts.ts';
import type { ShownParts } from './metric-sources.ts';
import type { Refusals } from './refusals.ts';
import type { ServerCertificate } from './server-certificate.ts';
import type { Tunnels } from './tunnels.ts';

/** How many tunnels and fronts are shown one by one. */
const shownMax = 1_000;

/** What is shown beside the parts that have something to show. */
export interface StatusSources {
  node: { name: string; zone: string; bootId: string; version: string; draining: boolean };
  ports: { connect: number; http: number; tunnel: number; link: number };
  aclInReach: boolean;
  ticketKeys: number;
  certificate: ServerCertificate;
  certificates: Certificates;
  bounds: CallerBounds;
}

/** The status of the node. */
export function edgeStatus(parts: ShownParts, sources: StatusSources): object {
  const { certificate, bounds } = sources;
  const { callers, cloud, tunnels, fronts, refusals } = parts;
  const { fingerprint, notAfter, renewAt } = certificate.current ?? {};
  return {
    ...sources.node,
    ports: sources.ports,
    links: parts.links.nodes,
    acl: { inReach: sources.aclInReach, ticketKeys: sources.ticketKeys },
    certificate: { fingerprint, notAfter, renewAt, fault: certificate.fault },
    certificates: sources.certificates.status(),
    callers: {
      open: callers.size,
      opening: callers.opening,
      max: bounds.connectionsMax,
      ...callers.totals(),
    },
    cloud: {
      open: cloud.streams.size,
      dialling: cloud.streams.dialling,
      ...cloud.streams.totals,
      shown: shownCloud(parts),
    },
    memory: parts.endpoint.memory,
    compression: parts.compression.counts,
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
  return fronts
    .states()
    .slice(0, shownMax)
    .map((state) => ({ ...state, lastRefusals: refusals.last(state.destinationId) }));
}

function shownCloud({ cloud: { book }, tunnels, refusals }: ShownParts): object[] {
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
  const first: T[] = [];
  for (const item of items) {
    if (first.length >= shownMax) break;
    first.push(item);
  }
  return first;
}
