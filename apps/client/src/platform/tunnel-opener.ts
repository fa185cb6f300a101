/**
 * Opens one tunnel the way that the keeper chose: the connection, the carrier on it, the handshake. What it opened and
 * could not finish is closed by whoever failed; a tunnel that it returns belongs to the endpoint.
 */
import { type Endpoint, type Session, TunnelError, tlsCarrier, webSocketCarrier } from '@postern/tunnel';
import type { Dialer } from './dialer.ts';
import { type HandshakeOptions, clientHandshake } from './handshake.ts';
import type { Way } from '../keeper/route-choice.ts';

/** Where a way leads, in words. */
export function wayText(way: Way, dialer: Dialer): string {
  const { address } = way;
  if (address === null) return `WebSocket to ${dialer.connectUrl.host}`;
  return `${address.node} at ${address.host}:${address.port}`;
}

/** The tunnel when it is up; rejects with ClientError, TlsError, TunnelError or the signal's reason. */
export async function openTunnel(
  dialer: Dialer,
  way: Way,
  endpoint: Endpoint,
  handshake: HandshakeOptions,
  signal: AbortSignal,
): Promise<Session> {
  const session = await connect(dialer, way, endpoint, handshake, signal);
  // It may have ended before its `connect` was heard of, or the client may be stopping by now.
  if (session.closed) {
    throw new TunnelError('TUNNEL_CARRIER_CLOSED', 'the tunnel ended as soon as it was up');
  }
  if (signal.aborted) {
    session.destroy(new TunnelError('TUNNEL_CLOSED', 'the client is stopping'));
    signal.throwIfAborted();
  }
  return session;
}

async function connect(
  dialer: Dialer,
  { address }: Way,
  endpoint: Endpoint,
  handshake: HandshakeOptions,
  signal: AbortSignal,
): Promise<Session> {
  if (address !== null) {
    return endpoint.connect(tlsCarrier(await dialer.direct(address, signal)), clientHandshake(handshake));
  }
  const { webSocket, remoteAddress } = await dialer.webSocket(signal);
  const connecting = endpoint.connect(webSocketCarrier(webSocket, remoteAddress), clientHandshake(handshake));
  // Paused since it opened: now the carrier listens.
  webSocket.resume();
  return connecting;
}
