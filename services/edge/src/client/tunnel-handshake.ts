/**
 * From a carrier to a tunnel: the node says HELLO with a nonce, the client's HELLO is verified offline, WELCOME goes
 * out, the tunnel is registered. The same for a TLS connection on the tunnel port and a WebSocket on the connect port.
 * Whoever calls holds a pass of the handshake gate meanwhile.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { type NodeHello, type Welcome, knownFeatures } from '@postern/contracts';
import type { LineLimit, Logger } from '@postern/telemetry';
import { type Carrier, type Endpoint, GoAwayCode, TunnelError } from '@postern/tunnel';
import { EdgeError } from '../errors.ts';
import { agreedVersion, protocolVersions } from './protocol-version.ts';
import type { TicketVerifier, VerifiedClient } from './ticket-verifier.ts';
import { Tunnel } from './tunnels.ts';

const nonceBytes = 24;

/** What a handshake needs of the node. */
export interface TunnelHandshakeParts {
  node: string;
  bootId: string;
  endpoint: Endpoint;
  verifier: TicketVerifier;
  logger: Logger;
  lines: LineLimit;
  /** Why no tunnel is taken now (draining, too many); null when one is. */
  whyClosed(): EdgeError | null;
  /** Why there is no place for a tunnel of this client; null when there is. */
  whyFull(client: VerifiedClient): EdgeError | null;
  /** The tunnel is up. */
  onTunnel(tunnel: Tunnel): void;
  /** A handshake failed, with a code for the metrics. */
  onFailure(code: string): void;
}

/** Makes a tunnel of a carrier, or refuses it; never rejects. The carrier is closed when it is refused. */
export async function acceptTunnel(parts: TunnelHandshakeParts, carrier: Carrier): Promise<Tunnel | null> {
  const tunnelId = randomUUID();
  const nonce = randomBytes(nonceBytes).toString('base64url');
  const hello: NodeHello = {
    protocol: [...protocolVersions],
    node: parts.node,
    bootId: parts.bootId,
    nonce,
    features: [...knownFeatures],
  };
  let client: VerifiedClient | undefined;
  const authenticate = async (body: unknown) => {
    const closed = parts.whyClosed();
    if (closed !== null) throw closed;
    client = await parts.verifier.verify(body, nonce);
    const full = parts.whyFull(client);
    if (full !== null) throw full;
    const { bootId, features } = client.hello;
    const peer = { scope: client.gatewayId, id: client.clientId, bootId, features: new Set(features) };
    return { peer, welcome: welcomeFor(client, tunnelId) };
  };
  try {
    const session = await parts.endpoint.accept(carrier, { hello, authenticate });
    if (client === undefined || session.closed) return null;
    // Others may have come up in the same turn.
    const full = parts.whyFull(client);
    if (full !== null) {
      session.refuse(GoAwayCode.Refused, `${full.code}: ${full.message}`);
      throw full;
    }
    const tunnel = new Tunnel(parts.endpoint, session, tunnelId, client);
    parts.onTunnel(tunnel);
    return tunnel;
  } catch (error) {
    noteFailure(parts, carrier, error, client);
    return null;
  }
}

function welcomeFor(client: VerifiedClient, tunnelId: string): Welcome {
  const { policy, epoch } = client;
  return {
    protocol: agreedVersion(client.hello.protocol),
    tunnelId,
    clientId: client.clientId,
    gateway: { id: policy.id, name: policy.gatewayName },
    accessList: { epoch, revision: policy.accessListRevision, rules: policy.accessList },
  };
}

/** Strangers cause these at will, so the lines are bounded; the metrics have them all. */
function noteFailure(
  parts: TunnelHandshakeParts,
  carrier: Carrier,
  error: unknown,
  client: VerifiedClient | undefined,
): void {
  const code = error instanceof EdgeError || error instanceof TunnelError ? error.code : 'EDGE_INTERNAL';
  parts.onFailure(code);
  const more = parts.lines.take();
  if (more === null) return;
  const { gatewayId, clientId } = client ?? {};
  const about = {
    code,
    address: carrier.remoteAddress,
    gatewayId,
    clientId,
    ...more,
  };
  if (error instanceof EdgeError) parts.logger.info(about, `a tunnel was refused: ${error.message}`);
  else if (error instanceof TunnelError)
    parts.logger.info({ ...about, cause: error.message }, 'a handshake came to nothing');
  else parts.logger.error({ ...about, error }, 'a handshake failed');
}
