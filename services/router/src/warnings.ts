/** What an operator should know of a destination although it is served: shown wherever the destination is. */
import type { DestinationWarning } from '@postern/contracts';
import type { DestinationDocument } from './document.ts';

/** All of a destination's, in the order of its fields. */
export function warningsOf({ resource }: Pick<DestinationDocument, 'resource'>): DestinationWarning[] {
  const { mode, rejectUnauthorized } = resource.tls;
  if (mode === 'none' || rejectUnauthorized) return [];
  return [
    {
      path: '/resource/tls/rejectUnauthorized',
      code: 'ROUTER_RESOURCE_NOT_VERIFIED',
      message:
        "the resource's certificate is not verified: whoever is between client and resource can read and change everything",
    },
  ];
}
