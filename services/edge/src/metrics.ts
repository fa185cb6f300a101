/**
 * The edge's metrics. What the data path counts is plain numbers, read when scraped; labels are codes, ports and the IDs
 * of gateways, which operators make; never addresses or names from outside, so that strangers cannot grow the list.
 */
import { type AnsweredRequest, HttpServerDurations, type Metrics, type Sample } from '@postern/telemetry';
import type { Compression, Endpoint } from '@postern/tunnel';
import type { Callers } from './callers.ts';
import type { FailingDestination } from './client/health.ts';
import type { CloudSide } from './cloud/cloud-side.ts';
import type { Followers } from './followers.ts';
import type { Fronts } from './caller/fronts.ts';
import type { GatewayCounts } from './gateway-totals.ts';
import type { GatedPort } from './gate/gates.ts';
import type { Eviction, HandshakeGate } from './gate/handshake-gate.ts';
import type { Guard } from './guard.ts';
import type { Links } from './fleet/links.ts';
import type { Refusals } from './caller/refusals.ts';
import type { RelayedLoad } from './fleet/relayed-load.ts';
import type { Relays } from './fleet/relays.ts';
import type { Tunnels } from './client/tunnels.ts';
import type { Turns } from './gate/turns.ts';

/** The parts of a node that have something to show. */
export interface ShownParts {
  tunnels: Tunnels;
  callers: Callers;
  refusals: Refusals;
  links: Links;
  relays: Relays;
  relayedLoad: RelayedLoad;
  gates: Record<GatedPort, HandshakeGate>;
  turns: Turns;
  endpoint: Endpoint;
  fronts: Fronts;
  cloud: CloudSide;
  compression: Compression;
  followers: Followers;
  guard: Guard;
  /** Destinations that nobody reaches. */
  failing(): FailingDestination[];
}

/** What is counted as it happens. */
export interface EdgeMetrics {
  handshakeFailed(code: string): void;
  linkFailed(code: string): void;
  evicted(port: GatedPort, cause: Eviction): void;
  called(code: string): void;
  answered(request: AnsweredRequest): void;
}

/** Registers the edge's metrics; `node` is asked at each reading, since they are registered before there are all parts. */
export function edgeMetrics(metrics: Metrics, node: () => ShownParts): EdgeMetrics {
  registerGauges(metrics, node);
  registerCallers(metrics, node);
  registerGateways(metrics, node);
  registerDestinations(metrics, node);
  registerHttp(metrics, node);
  registerDatagrams(metrics, node);
  registerCloud(metrics, node);
  const count = (name: string, unit: string, help: string, labels: string[]) =>
    metrics.counter({ name: `postern.edge.${name}`, unit, help, labels });
  const failures = count('handshake_failures', '{handshake}', 'Tunnel handshakes that failed, by code.', [
    'code',
  ]);
  const linkFailures = count('link_failures', '{link}', 'Links to other nodes that were not made, by code.', [
    'code',
  ]);
  const evictions = count(
    'handshake_evictions',
    '{connection}',
    'Connections cut before they showed what they are for.',
    ['port', 'cause'],
  );
  const calls = count(
    'first_calls',
    '{call}',
    'First calls and WebSocket upgrades, by code; ok for those answered.',
    ['code'],
  );
  const answers = new HttpServerDurations(metrics);
  return {
    handshakeFailed: (code) => failures.inc({ code }),
    linkFailed: (code) => linkFailures.inc({ code }),
    evicted: (port, cause) => evictions.inc({ port, cause }),
    called: (code) => calls.inc({ code }),
    answered: (request) => answers.observe(request),
  };
}

/** Registers what a supervisor counts; its workers have the rest, each at its own ops port. */
export function supervisorMetrics(
  metrics: Metrics,
  sources: { readonly counts: { ready: number; waiting: number }; readonly restarts: number },
): void {
  metrics.gauge({
    name: 'postern.edge.workers',
    unit: '{worker}',
    help: 'Workers of this machine, by whether they are ready.',
    labels: ['state'],
    read: () => Object.entries(sources.counts).map(([state, value]) => ({ value, labels: { state } })),
  });
  metrics.counter({
    name: 'postern.edge.worker_restarts',
    unit: '{worker}',
    help: 'Workers that died and were started again.',
    read: () => sources.restarts,
  });
}

function registerGauges(metrics: Metrics, node: () => ShownParts): void {
  const gauge = (name: string, unit: string, help: string, label: string, read: () => object) =>
    metrics.gauge({
      name: `postern.edge.${name}`,
      unit,
      help,
      labels: [label],
      read: () => samples(label, read()),
    });
  gauge('tunnels', '{tunnel}', 'Tunnels that end here.', 'transport', () => node().tunnels.byTransport());
  gauge(
    'callers',
    '{connection}',
    'Callers’ connections; opening are those that wait for a client.',
    'state',
    () => ({ open: node().callers.size, opening: node().callers.opening }),
  );
  gauge(
    'turns',
    '{handshake}',
    'Clients’ handshakes at work, and those that wait for their turn.',
    'state',
    () => node().turns.counts,
  );
  gauge(
    'handshakes',
    '{connection}',
    'Connections that have not yet shown what they are for.',
    'port',
    () => {
      const { connect, tunnel, link, front } = node().gates;
      return { connect: connect.size, tunnel: tunnel.size, link: link.size, front: front.size };
    },
  );
  gauge(
    'buffered',
    'By',
    'Bytes promised to senders and bytes kept for peers, all streams.',
    'kind',
    () => node().endpoint.memory,
  );
  gauge('fronts', '{front}', 'Fronts that listen, and those that cannot.', 'state', () =>
    node().fronts.counts(),
  );
  metrics.gauge({
    name: 'postern.edge.links',
    unit: '{link}',
    help: 'Other nodes to which a link is up.',
    read: () => node().links.nodes.length,
  });
  metrics.counter({
    name: 'postern.edge.relays',
    unit: '{stream}',
    help: 'Streams that were passed on for another node or client, repeats after a broken path included.',
    read: () => node().relays.passedOn,
  });
  metrics.counter({
    name: 'postern.edge.tunnels_wanted',
    unit: '{tunnel}',
    help: 'Tunnels to this node that clients were asked for, because much of theirs was relayed for its callers.',
    read: () => node().relayedLoad.asked,
  });
}

function registerCallers(metrics: Metrics, node: () => ShownParts): void {
  metrics.counter({
    name: 'postern.edge.streams',
    unit: '{stream}',
    help: 'Streams that a client took.',
    read: () => node().callers.totals().streams,
  });
  metrics.counter({
    name: 'postern.edge.bytes',
    unit: 'By',
    help: 'Bytes from and to callers.',
    labels: ['direction'],
    read: () => {
      const { fromCallers, toCallers } = node().callers.totals();
      return samples('direction', { from_caller: fromCallers, to_caller: toCallers });
    },
  });
  metrics.gauge({
    name: 'postern.edge.compressed_streams',
    unit: '{stream}',
    help: 'Streams whose data is compressed in the tunnel.',
    read: () => node().compression.counts.streams,
  });
  metrics.counter({
    name: 'postern.edge.compressed_bytes',
    unit: 'By',
    help: 'Bytes of compressed streams: as callers and resources have them, and as they were in the tunnel.',
    labels: ['side'],
    read: () => {
      const { plainBytes, tunnelBytes } = node().compression.counts;
      return samples('side', { plain: plainBytes, tunnel: tunnelBytes });
    },
  });
  metrics.counter({
    name: 'postern.edge.refusals',
    unit: '{caller}',
    help: 'Callers turned away or cut, by code.',
    labels: ['code'],
    read: () => [...node().refusals.counts].map(([code, value]) => ({ value, labels: { code } })),
  });
}

function registerGateways(metrics: Metrics, node: () => ShownParts): void {
  const read = (key: 'tunnels' | 'callers' | 'streams' | 'refused') => () =>
    [...gatewayCounts(node())].map((one) => ({
      value: one[key],
      labels: { postern_gateway_id: one.gatewayId },
    }));
  const labels = ['postern.gateway.id'];
  metrics.gauge({
    name: 'postern.gateway.tunnels',
    unit: '{tunnel}',
    help: 'Tunnels of each gateway that end at this node.',
    labels,
    read: read('tunnels'),
  });
  metrics.gauge({
    name: 'postern.gateway.callers',
    unit: '{caller}',
    help: 'Callers, or HTTP requests, that this node serves for each gateway.',
    labels,
    read: read('callers'),
  });
  metrics.counter({
    name: 'postern.gateway.streams',
    unit: '{stream}',
    help: 'Streams that each gateway’s clients took; once they are over.',
    labels,
    read: read('streams'),
  });
  metrics.counter({
    name: 'postern.gateway.refusals',
    unit: '{caller}',
    help: 'Callers, or HTTP requests, of each gateway that were turned away or cut after the entrance.',
    labels,
    read: read('refused'),
  });
  metrics.counter({
    name: 'postern.gateway.identity_conflicts',
    unit: '{tunnel}',
    help: 'Tunnels that came from a start of a client that had given way to another: two programs have its identity. Only of gateways where that was.',
    labels,
    read: () =>
      [...node().guard.identityConflicts].map(([gatewayId, value]) => ({
        value,
        labels: { postern_gateway_id: gatewayId },
      })),
  });
  metrics.counter({
    name: 'postern.gateway.bytes',
    unit: 'By',
    help: 'Bytes from and to each gateway’s callers, of streams and requests that are over.',
    labels: [...labels, 'direction'],
    read: () =>
      [...gatewayCounts(node())].flatMap(({ gatewayId, fromCallers, toCallers }) =>
        samples('direction', { from_caller: fromCallers, to_caller: toCallers }).map((sample) => ({
          value: sample.value,
          labels: { ...sample.labels, postern_gateway_id: gatewayId },
        })),
      ),
  });
}

function registerDestinations(metrics: Metrics, node: () => ShownParts): void {
  metrics.gauge({
    name: 'postern.edge.destination_failing_since',
    unit: 's',
    help: 'Since when the check of a destination fails at every client of its gateway, or for a cloud destination at this node, in seconds since 1970; none of those that are reached.',
    labels: ['id', 'postern.gateway.id'],
    read: () =>
      node()
        .failing()
        .map(({ id, gatewayId, since }) => ({
          labels: { id, postern_gateway_id: gatewayId },
          value: Date.parse(since) / 1_000,
        })),
  });
}

function registerHttp(metrics: Metrics, node: () => ShownParts): void {
  metrics.gauge({
    name: 'postern.edge.http',
    unit: '{item}',
    help: 'Requests under way, callers’ HTTP connections, and connections kept to resources.',
    labels: ['kind'],
    read: () => {
      const { running, connections, kept } = node().callers.http.counts;
      return samples('kind', { requests: running, connections, kept });
    },
  });
  metrics.counter({
    name: 'postern.edge.http_requests',
    unit: '{request}',
    help: 'HTTP requests that a client took, by the connection to the resource: a new one, or a kept one.',
    labels: ['connection'],
    read: () => {
      const { overKept, overNew } = node().callers.http.counts;
      return samples('connection', { kept: overKept, new: overNew });
    },
  });
}

function registerDatagrams(metrics: Metrics, node: () => ShownParts): void {
  metrics.gauge({
    name: 'postern.edge.udp_flows',
    unit: '{flow}',
    help: 'UDP callers of fronts, by address and port.',
    read: () => node().fronts.datagrams().flows,
  });
  metrics.counter({
    name: 'postern.edge.udp_datagrams',
    unit: '{datagram}',
    help: 'Datagrams from and to callers of fronts.',
    labels: ['direction'],
    read: () => {
      const { fromCallers, toCallers } = node().fronts.datagrams();
      return samples('direction', { from_caller: fromCallers, to_caller: toCallers });
    },
  });
  metrics.counter({
    name: 'postern.edge.udp_dropped',
    unit: '{datagram}',
    help: 'Datagrams that found no room, no flow or no way at this node: of callers of fronts, of cloud destinations, and of flows that it relays.',
    labels: ['side'],
    read: () =>
      samples('side', {
        front: node().fronts.datagrams().dropped,
        cloud: node().cloud.streams.totals.datagramsDropped,
        relay: node().endpoint.relayedDropped,
      }),
  });
}

function registerCloud(metrics: Metrics, node: () => ShownParts): void {
  metrics.gauge({
    name: 'postern.edge.cloud_streams_open',
    unit: '{stream}',
    help: 'Streams that clients opened for cloud destinations, running or dialling.',
    read: () => node().cloud.streams.size,
  });
  metrics.counter({
    name: 'postern.edge.cloud_streams',
    unit: '{stream}',
    help: 'Streams of cloud destinations that reached their resource.',
    read: () => node().cloud.streams.totals.streams,
  });
  metrics.counter({
    name: 'postern.edge.cloud_bytes',
    unit: 'By',
    help: 'Bytes from and to the resources of cloud destinations, of streams that are over.',
    labels: ['direction'],
    read: () => {
      const { bytesFromResources, bytesToResources } = node().cloud.streams.totals;
      return samples('direction', { from_resource: bytesFromResources, to_resource: bytesToResources });
    },
  });
}

function gatewayCounts({ callers, followers, tunnels }: ShownParts): GatewayCounts[] {
  const rows = callers.gateways(followers.policies.items.keys());
  const counts = tunnels.countsOf(rows.map(({ gatewayId }) => gatewayId));
  return rows.map((row, at) => ({ ...row, tunnels: counts[at] ?? 0 }));
}

function samples(label: string, values: object): Sample[] {
  return Object.entries(values).map(([name, value]) => ({
    value: value as number,
    labels: { [label]: name },
  }));
}
