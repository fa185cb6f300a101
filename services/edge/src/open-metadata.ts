/** What a client is told in OPEN, and when it is asked to dial for other reasons: how a route's resource is reached. */
import type { DialTarget, OpenMetadata, Route } from '@postern/contracts';

/** How the resource is reached; what is not used is left out, so that an OPEN stays small. */
export function dialTargetOf({ resource }: Pick<Route, 'resource'>): DialTarget {
  const { host, port, connectTimeoutSeconds, keepAliveSeconds, proxy, tls } = resource;
  return {
    host,
    port,
    connectTimeoutSeconds,
    keepAliveSeconds,
    ...(proxy === null ? {} : { proxy }),
    ...(tls.mode === 'none' ? {} : { tls: { ...tls, mode: tls.mode } }),
  };
}

/** Metadata of OPEN for one caller. */
export function openMetadataOf(
  route: Pick<Route, 'id' | 'resource'>,
  trackingId: string,
  caller: OpenMetadata['caller'],
): OpenMetadata {
  return { destinationId: route.id, ...dialTargetOf(route), trackingId, caller };
}
