/**
 * How many tunnels a node takes: of all gateways together, of which one has half at most, and of one start of a client. It
 * is asked before a handshake is answered, and again when it is over, since handshakes run side by side.
 */
import { halfOf } from '@postern/share';
import { EdgeError } from '../errors.ts';
import type { VerifiedClient } from './ticket-verifier.ts';
import type { Tunnels } from './tunnels.ts';

/** Tunnels that one start of a client has here. Its program holds 8, and has as many again while it replaces them. */
const tunnelsPerClientMax = 16;

/** Why there is no place for a tunnel of a client, or for one of anybody; null when there is. */
export function whyTunnelsFull(
  tunnels: Tunnels,
  tunnelsMax: number,
  client: VerifiedClient | null,
): EdgeError | null {
  if (tunnels.size >= tunnelsMax) return full('this node has as many tunnels as it may');
  if (client === null) return null;
  const { gatewayId, clientId, hello } = client;
  if (tunnels.countOf(gatewayId) >= halfOf(tunnelsMax))
    return full('the gateway has as many tunnels at this node as it may');
  const own = tunnels.ofClient(gatewayId, clientId).filter(({ bootId }) => bootId === hello.bootId);
  if (own.length < tunnelsPerClientMax) return null;
  return full(`the client has ${own.length} tunnels at this node, which is as many as it may`);
}

function full(text: string): EdgeError {
  return new EdgeError('EDGE_TUNNELS_FULL', text);
}
