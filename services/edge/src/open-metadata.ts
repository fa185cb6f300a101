/** What a client is told in OPEN: how the resource is reached, and for whom. */
import {
  type Feature,
  type OpenMetadata,
  type Route,
  dialTargetOf,
  featuresToDial,
} from '@postern/contracts';

/** Metadata of OPEN for one caller. */
export function openMetadataOf(
  route: Pick<Route, 'id' | 'resource'>,
  trackingId: string,
  caller: OpenMetadata['caller'],
): OpenMetadata {
  const udp = route.resource.protocol === 'udp' ? ({ protocol: 'udp' } as const) : {};
  return { destinationId: route.id, ...udp, ...dialTargetOf(route.resource), trackingId, caller };
}

/** What a client must understand to serve this destination's callers. */
export function featuresToServe({ resource }: Pick<Route, 'resource'>): Feature[] {
  const { protocol, tls, proxy } = resource;
  return featuresToDial({
    protocol,
    ...(tls.mode === 'none' ? {} : { tls }),
    ...(proxy === null ? {} : { proxy }),
  });
}
