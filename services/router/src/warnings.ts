/** What an operator should know of a destination although it is served: shown wherever the destination is. */
import type { DestinationFront, DestinationWarning } from '@postern/contracts';
import { readRevocationLists } from '@postern/tls/accept';
import type { DestinationDocument, GatewayDocument } from './document.ts';

/** All of a destination's, in the order of its fields; `gateway` is its own. */
export function warningsOf(
  { resource, front }: Pick<DestinationDocument, 'resource'> & { front: DestinationFront | undefined },
  gateway: Pick<GatewayDocument, 'enabled'> | null,
  now: Date,
): DestinationWarning[] {
  return [
    ...disabled(gateway),
    ...unverified(resource.tls),
    ...endedLists(front?.tls.revocationLists ?? [], now),
  ];
}

function disabled(gateway: Pick<GatewayDocument, 'enabled'> | null): DestinationWarning[] {
  if (gateway?.enabled !== false) return [];
  return [
    {
      path: '/gatewayId',
      code: 'ROUTER_GATEWAY_DISABLED',
      message: 'the gateway is disabled: nobody is let in, whatever its destinations say',
    },
  ];
}

function unverified({
  mode,
  rejectUnauthorized,
}: DestinationDocument['resource']['tls']): DestinationWarning[] {
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

/** OpenSSL lets in nobody of a CA whose list is past its next update. */
function endedLists(lists: readonly string[], now: Date): DestinationWarning[] {
  return lists.flatMap((list, index) => {
    const read = readRevocationLists(Buffer.from(list));
    const ended = read.kind === 'lists' ? read.nextUpdate : null;
    if (ended === null || ended > now) return [];
    return {
      path: `/front/tls/revocationLists/${index}`,
      code: 'ROUTER_REVOCATION_LIST_ENDED',
      message: `the list was to be replaced by ${ended.toISOString()}: until a newer one is given, nobody with a certificate of its CA is let in`,
    };
  });
}
