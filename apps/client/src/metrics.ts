/** What a client counts, for each of its gateways. */
import type { Metrics } from '@postern/telemetry';

/** One gateway as metrics show it. */
export interface GatewayCounts {
  readonly gatewayId: string;
  /** Tunnels that take streams. */
  readonly tunnels: number;
  readonly streams: number;
  readonly dials: number;
  readonly served: number;
  readonly refused: number;
  readonly bytesFromResource: number;
  readonly bytesToResource: number;
}

/** Makes them in the program's registry; `gateways` is read when they are scraped. */
export function clientMetrics(metrics: Metrics, gateways: () => readonly GatewayCounts[]): void {
  const labels = ['postern.gateway.id'];
  const read = (key: 'tunnels' | 'streams' | 'dials' | 'served' | 'refused') => () =>
    gateways().map((one) => ({ value: one[key], labels: { postern_gateway_id: one.gatewayId } }));
  metrics.gauge({
    name: 'postern.client.tunnels',
    unit: '{tunnel}',
    help: 'Tunnels that take streams.',
    labels,
    read: read('tunnels'),
  });
  metrics.gauge({
    name: 'postern.client.streams_open',
    unit: '{stream}',
    help: 'Streams that are joined to a resource.',
    labels,
    read: read('streams'),
  });
  metrics.gauge({
    name: 'postern.client.dials',
    unit: '{dial}',
    help: 'Resources that are being dialled.',
    labels,
    read: read('dials'),
  });
  metrics.counter({
    name: 'postern.client.streams',
    unit: '{stream}',
    help: 'Streams whose resource was reached.',
    labels,
    read: read('served'),
  });
  metrics.counter({
    name: 'postern.client.refusals',
    unit: '{stream}',
    help: 'Streams that were refused: not allowed, or their resource was not reached.',
    labels,
    read: read('refused'),
  });
  metrics.counter({
    name: 'postern.client.bytes',
    unit: 'By',
    help: 'Bytes from and to resources, of streams that are over.',
    labels: [...labels, 'direction'],
    read: () =>
      gateways().flatMap(({ gatewayId, bytesFromResource, bytesToResource }) => [
        { value: bytesFromResource, labels: { postern_gateway_id: gatewayId, direction: 'from_resource' } },
        { value: bytesToResource, labels: { postern_gateway_id: gatewayId, direction: 'to_resource' } },
      ]),
  });
}
