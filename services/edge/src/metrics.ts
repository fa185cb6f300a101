/**
 * The edge's metrics. What the data path counts is plain numbers, read when scraped; labels are codes and ports, never
 * addresses or IDs, so that strangers cannot grow the list.
 */
import type { Counter, Metrics, Sample } from '@postern/telemetry';
import type { CompressionCounts } from '@postern/tunnel';
import type { Eviction } from './handshake-gate.ts';
import type { HttpCounts } from './http/http-desk.ts';

/** The ports that have a gate; `front` is all of them. */
export type GatedPort = 'connect' | 'tunnel' | 'link' | 'front';

/** Where the numbers are read. */
export interface MetricSources {
  tunnels(): { direct: number; websocket: number };
  callers(): { open: number; opening: number };
  totals(): { streams: number; fromCallers: number; toCallers: number };
  refusals(): ReadonlyMap<string, number>;
  links(): number;
  handshakes(): { connect: number; tunnel: number; link: number };
  memory(): { receiveReserved: number; sendReserved: number };
  fronts(): { listening: number; failed: number };
  cloud(): {
    size: number;
    streams: number;
    bytesFromResources: number;
    bytesToResources: number;
    datagramsDropped: number;
  };
  datagrams(): { flows: number; fromCallers: number; toCallers: number; dropped: number };
  http(): HttpCounts;
  compression(): CompressionCounts;
}

/** What is counted as it happens. */
export interface EdgeMetrics {
  handshakeFailed(code: string): void;
  linkFailed(code: string): void;
  evicted(port: GatedPort, cause: Eviction): void;
  called(code: string): void;
}

/** Registers the edge's metrics. */
export function edgeMetrics(metrics: Metrics, sources: MetricSources): EdgeMetrics {
  registerGauges(metrics, sources);
  registerTotals(metrics, sources);
  const failures = count(metrics, 'handshake_failures_total', 'Tunnel handshakes that failed, by code.', [
    'code',
  ]);
  const linkFailures = count(
    metrics,
    'link_failures_total',
    'Links to other nodes that were not made, by code.',
    ['code'],
  );
  const evictions = count(
    metrics,
    'handshake_evictions_total',
    'Connections cut before they showed what they are for.',
    ['port', 'cause'],
  );
  const calls = count(
    metrics,
    'first_calls_total',
    'First calls and WebSocket upgrades, by code; ok for those answered.',
    ['code'],
  );
  return {
    handshakeFailed: (code) => failures.inc({ code }),
    linkFailed: (code) => linkFailures.inc({ code }),
    evicted: (port, cause) => evictions.inc({ port, cause }),
    called: (code) => calls.inc({ code }),
  };
}

/** Registers what a supervisor counts; its workers have the rest, each at its own ops port. */
export function supervisorMetrics(
  metrics: Metrics,
  sources: { readonly counts: { ready: number; waiting: number }; readonly restarts: number },
): void {
  metrics.gauge({
    name: 'postern_edge_workers',
    help: 'Workers of this machine, by whether they are ready.',
    labels: ['state'],
    read: () => Object.entries(sources.counts).map(([state, value]) => ({ value, labels: { state } })),
  });
  metrics.counter({
    name: 'postern_edge_worker_restarts_total',
    help: 'Workers that died and were started again.',
    read: () => sources.restarts,
  });
}

function registerGauges(metrics: Metrics, sources: MetricSources): void {
  const gauge = (name: string, help: string, label: string, read: () => object) =>
    metrics.gauge({
      name: `postern_edge_${name}`,
      help,
      labels: [label],
      read: () => samples(label, read()),
    });
  gauge('tunnels', 'Tunnels that end here.', 'transport', () => sources.tunnels());
  gauge('callers', 'Callers’ connections; opening are those that wait for a client.', 'state', () =>
    sources.callers(),
  );
  gauge('handshakes', 'Connections that have not yet shown what they are for.', 'port', () =>
    sources.handshakes(),
  );
  gauge('buffered_bytes', 'Bytes promised to senders and bytes kept for peers, all streams.', 'kind', () =>
    sources.memory(),
  );
  gauge(
    'http',
    'Requests under way, callers’ HTTP connections, and connections kept to resources.',
    'kind',
    () => {
      const { running, connections, kept } = sources.http();
      return { requests: running, connections, kept };
    },
  );
  gauge('fronts', 'Fronts that listen, and those that cannot.', 'state', () => sources.fronts());
}

function registerTotals(metrics: Metrics, sources: MetricSources): void {
  metrics.gauge({
    name: 'postern_edge_links',
    help: 'Other nodes to which a link is up.',
    read: () => sources.links(),
  });
  metrics.gauge({
    name: 'postern_edge_udp_flows',
    help: 'UDP callers of fronts, by address and port.',
    read: () => sources.datagrams().flows,
  });
  metrics.counter({
    name: 'postern_edge_udp_datagrams_total',
    help: 'Datagrams from and to callers of the fronts that there are.',
    labels: ['direction'],
    read: () => {
      const { fromCallers, toCallers } = sources.datagrams();
      return samples('direction', { from_caller: fromCallers, to_caller: toCallers });
    },
  });
  metrics.counter({
    name: 'postern_edge_udp_dropped_total',
    help: 'Datagrams that found no room, no flow or no way at this node, by the side of their destination.',
    labels: ['side'],
    read: () =>
      samples('side', {
        front: sources.datagrams().dropped,
        cloud: sources.cloud().datagramsDropped,
      }),
  });
  metrics.gauge({
    name: 'postern_edge_cloud_streams',
    help: 'Streams that clients opened for cloud destinations, running or dialling.',
    read: () => sources.cloud().size,
  });
  metrics.counter({
    name: 'postern_edge_cloud_streams_total',
    help: 'Streams of cloud destinations that reached their resource.',
    read: () => sources.cloud().streams,
  });
  metrics.counter({
    name: 'postern_edge_cloud_bytes_total',
    help: 'Bytes from and to the resources of cloud destinations, of streams that are over.',
    labels: ['direction'],
    read: () => {
      const { bytesFromResources, bytesToResources } = sources.cloud();
      return samples('direction', { from_resource: bytesFromResources, to_resource: bytesToResources });
    },
  });
  metrics.counter({
    name: 'postern_edge_streams_total',
    help: 'Streams that a client took.',
    read: () => sources.totals().streams,
  });
  metrics.counter({
    name: 'postern_edge_bytes_total',
    help: 'Bytes from and to callers.',
    labels: ['direction'],
    read: () => {
      const { fromCallers, toCallers } = sources.totals();
      return samples('direction', { from_caller: fromCallers, to_caller: toCallers });
    },
  });
  metrics.gauge({
    name: 'postern_edge_compressed_streams',
    help: 'Streams whose data is compressed in the tunnel.',
    read: () => sources.compression().streams,
  });
  metrics.counter({
    name: 'postern_edge_compressed_bytes_total',
    help: 'Bytes of compressed streams: as callers and resources have them, and as they were in the tunnel.',
    labels: ['side'],
    read: () => {
      const { plainBytes, tunnelBytes } = sources.compression();
      return samples('side', { plain: plainBytes, tunnel: tunnelBytes });
    },
  });
  metrics.counter({
    name: 'postern_edge_http_answers_total',
    help: 'Answers to HTTP requests, by the class of their status.',
    labels: ['status'],
    read: () => [...sources.http().answers].map(([status, value]) => ({ value, labels: { status } })),
  });
  metrics.counter({
    name: 'postern_edge_http_requests_total',
    help: 'HTTP requests that a client took, by the connection to the resource: a new one, or a kept one.',
    labels: ['connection'],
    read: () => {
      const { overKept, overNew } = sources.http();
      return samples('connection', { kept: overKept, new: overNew });
    },
  });
  metrics.counter({
    name: 'postern_edge_refusals_total',
    help: 'Callers turned away or cut, by code.',
    labels: ['code'],
    read: () => [...sources.refusals()].map(([code, value]) => ({ value, labels: { code } })),
  });
}

function count(metrics: Metrics, name: string, help: string, labels: string[]): Counter {
  return metrics.counter({ name: `postern_edge_${name}`, help, labels });
}

function samples(label: string, values: object): Sample[] {
  return Object.entries(values).map(([name, value]) => ({
    value: value as number,
    labels: { [label]: name },
  }));
}
