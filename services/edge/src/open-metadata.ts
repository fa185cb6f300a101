/** What a client is told in OPEN: how the resource is reached, and for whom. */
import { type OpenMetadata, type Route, dialTargetOf } from '@postern/contracts';

/** Metadata of OPEN for one caller. */
export function openMetadataOf(
  route: Pick<Route, 'id' | 'resource'>,
  trackingId: string,
  caller: OpenMetadata['caller'],
): OpenMetadata {
  return { destinationId: route.id, ...dialTargetOf(route.resource), trackingId, caller };
}
