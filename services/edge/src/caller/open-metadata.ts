/** What a client is told in OPEN: how the resource is reached, for whom, and in which trace. */
import type { TraceSpan } from '@postern/telemetry';
import type { Compression, Stream } from '@postern/tunnel';
import type { Upstream } from '../upstream.ts';
import {
  type Feature,
  type OpenMetadata,
  type Route,
  dialTargetOf,
  featuresToDial,
} from '@postern/contracts';

/** Metadata of OPEN for one caller; `span` is the opening's where it is traced. */
export function openMetadataOf(
  route: Pick<Route, 'id' | 'resource'>,
  trackingId: string,
  caller: OpenMetadata['caller'],
  span: TraceSpan | null = null,
): OpenMetadata {
  const metadata = { destinationId: route.id, ...dialTargetOf(route.resource), trackingId, caller };
  return span === null ? metadata : { ...metadata, traceparent: span.context.traceparent };
}

/**
 * Opens a caller's stream at a client: compressed where the destination asks for it, the client knows how, and this process
 * has room for one more. Throws `TunnelError` when there is no room for a stream.
 */
export function openStream(
  upstream: Upstream,
  route: Pick<Route, 'gatewayId' | 'resource'>,
  metadata: OpenMetadata,
  compression: Compression,
): Stream {
  const compresses =
    route.resource.compress && upstream.features.has('compress') && compression.hasRoomFor(route.gatewayId);
  if (!compresses) return upstream.open(metadata);
  return compression.wrap(upstream.open({ ...metadata, compress: 'zstd' }));
}

/** What a client must understand to serve this destination's callers. */
export function featuresToServe({ resource }: Pick<Route, 'resource'>): Feature[] {
  const { protocol, hosts, tls, proxy } = resource;
  return featuresToDial({
    protocol,
    hosts,
    ...(tls.mode === 'none' ? {} : { tls }),
    ...(proxy === null ? {} : { proxy }),
  });
}
