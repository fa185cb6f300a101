/**
 * Why a stream of a client to a cloud resource comes to nothing: what is written down at this node, and the code that the
 * client is told, which says whether another node is worth trying.
 */
import { ResourceError } from '@postern/dial';
import type { Shares } from '@postern/share';
import { ResetCode } from '@postern/tunnel';
import type { CallerCause } from '../errors.ts';

/** The codecs of this node are all taken, or the gateway's share of them. */
export const compressionFull: CallerCause = {
  code: 'EDGE_OPENING_FULL',
  text: 'the node has as many compressed streams as it may, or as the gateway may',
  end: 'edge',
};

/** The client asks for what the destination was before. */
export function outdated(what: string): CallerCause {
  const text = `the destination ${what}: the client has not heard of it yet`;
  return { code: 'EDGE_CLIENT_FAILED', text, end: 'client' };
}

/** The streams that may run, or the resources that may be dialled, are as many already; null where there is a place. */
export function whyCloudFull(
  gatewayId: string,
  { open, dialling }: { open: Shares; dialling: Shares },
): CallerCause | null {
  const noPlace = open.whyFull(gatewayId);
  if (noPlace !== null) {
    const whose = noPlace === 'full' ? 'node' : 'gateway';
    const text = `the ${whose} has as many streams to cloud resources as it may`;
    return { code: 'EDGE_CONNECTIONS_FULL', text, end: 'edge' };
  }
  const noDial = dialling.whyFull(gatewayId);
  if (noDial === null) return null;
  const whose = noDial === 'full' ? 'resources' : 'resources of the gateway';
  return { code: 'EDGE_OPENING_FULL', text: `too many ${whose} are being dialled already`, end: 'edge' };
}

/** What the client is told of a dial that failed, and what is written down here. */
export function faultOf(error: unknown): [ResetCode, CallerCause] {
  if (!(error instanceof ResourceError)) {
    return [ResetCode.ShuttingDown, { code: 'EDGE_DRAINING', text: 'the node is stopping', end: 'edge' }];
  }
  const { reset, message: text } = error;
  switch (reset) {
    case ResetCode.Refused:
      return [reset, { code: 'EDGE_RESOURCE_REFUSED', text, end: 'resource' }];
    case ResetCode.TimedOut:
      return [reset, { code: 'EDGE_RESOURCE_TIMED_OUT', text, end: 'resource' }];
    case ResetCode.NotResolved:
      return [reset, { code: 'EDGE_RESOURCE_NOT_RESOLVED', text, end: 'edge' }];
    case ResetCode.TlsFailed:
      return [reset, { code: 'EDGE_RESOURCE_TLS', text, end: 'resource' }];
    case ResetCode.ProxyFailed:
      return [reset, { code: 'EDGE_RESOURCE_PROXY', text, end: 'resource' }];
    case ResetCode.Denied:
      return [reset, { code: 'EDGE_ACCESS_DENIED', text, end: 'edge' }];
    default:
      return [reset, { code: 'EDGE_RESOURCE_UNREACHABLE', text, end: 'edge' }];
  }
}
