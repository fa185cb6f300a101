/** What `/status` shows of the edge: JSON for people, no secrets, bounded by what the node holds. */
import type { CallerBounds, Callers } from './callers.ts';
import type { Certificates } from './certificates.ts';
import type { CompressionCounts } from '@postern/tunnel';
import type { CloudBook } from './cloud-book.ts';
import type { CloudStreams } from './cloud-streams.ts';
import type { Fronts } from './fronts.ts';
import type { Refusals } from './refusals.ts';
import type { ServerCertificate } from './server-certificate.ts';
import type { Tunnels } from './tunnels.ts';

/** How many tunnels and fronts are shown one by one. */
const shownMax = 1_000;

/** Where it is read. */
export interface StatusSources {
  node: { name: string; zone: string; bootId: string; version: string; draining: boolean };
  ports: { connect: number; http: number; tunnel: number; link: number };
  /** The nodes to which a link is up. */
  links: readonly string[];
  aclInReach: boolean;
  ticketKeys: number;
  certificate: ServerCertificate;
  certificates: Certificates;
  tunnels: Tunnels;
  fronts: Fronts;
  callers: Callers;
  cloudBook: CloudBook;
  cloudStreams: CloudStreams;
  bounds: CallerBounds;
  refusals: Refusals;
  memory: { receiveReserved: number; sendReserved: number };
  compression: CompressionCounts;
}

/** The status of the node. */
export function edgeStatus(sources: StatusSources): object {
  const { certificate, callers, bounds } = sources;
  const { fingerprint, notAfter, renewAt } = certificate.current ?? {};
  return {
    ...sources.node,
    ports: sources.ports,
    links: sources.links,
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
      open: sources.cloudStreams.size,
      dialling: sources.cloudStreams.dialling,
      ...sources.cloudStreams.totals,
      shown: shownCloud(sources),
    },
    memory: sources.memory,
    compression: sources.compression,
    refusals: Object.fromEntries(sources.refusals.counts),
    tunnels: { count: sources.tunnels.size, shown: shownTunnels(sources.tunnels) },
    fronts: { count: sources.fronts.size, shown: shownFronts(sources.fronts, sources.refusals) },
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
  }));
}

function shownFronts(fronts: Fronts, refusals: Refusals): object[] {
  return fronts
    .states()
    .slice(0, shownMax)
    .map((state) => ({ ...state, lastRefusals: refusals.last(state.destinationId) }));
}

function shownCloud({ cloudBook, tunnels, refusals }: StatusSources): object[] {
  return firstOf(cloudBook.routes()).map(({ id, gatewayId, name, enabled, gatewayEnabled, clientPort }) => ({
    destinationId: id,
    name,
    enabled: enabled && gatewayEnabled,
    clientPort,
    listening: [...tunnels.of(gatewayId)].flatMap((tunnel) =>
      cloudBook
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
