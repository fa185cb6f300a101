/**
 * The node's side towards clients, put together: first calls, the tunnel port, and the handshake that makes a tunnel of
 * a connection, whichever way it came. Callers and clients meet at the shared port, which is the front side's: what is
 * for the platform itself comes from there by `serve`.
 *
 *     tunnel port ───────────────────────────► TunnelServer ──┐
 *     shared port ─► Entrance ─► serve ─► ConnectServer ──────┴─► handshake ─► onTunnel
 *                                          └─► first calls, answered by acl
 */
import type { Bus } from '@postern/bus';
import type { HeldCertificate, KeptCertificate } from '@postern/kept-certificate';
import type { NodeAddress } from '@postern/contracts';
import { LineLimit, type Logger, subsystemLogger } from '@postern/telemetry';
import type { Carrier, Endpoint } from '@postern/tunnel';
import { RateLimit } from '../gate/admission.ts';
import type { EdgeOptions } from '../config.ts';
import { ConnectServer } from './connect-server.ts';
import type { PlatformConnection } from '../caller/entrance.ts';
import { EdgeError } from '../errors.ts';
import { linesPerSecondMax } from '../gate/gates.ts';
import type { HandshakeGate } from '../gate/handshake-gate.ts';
import type { EdgeMetrics } from '../metrics.ts';
import { TicketVerifier, type TicketVerifierParts, type VerifiedClient } from './ticket-verifier.ts';
import { type TunnelHandshakeParts, acceptTunnel } from './tunnel-handshake.ts';
import { whyTunnelsFull } from './tunnel-places.ts';
import { TunnelServer } from './tunnel-server.ts';
import type { Tunnel, Tunnels } from './tunnels.ts';
import type { Turns } from '../gate/turns.ts';

/** What it needs of the node. */
export interface ClientSideParts extends Pick<
  TicketVerifierParts,
  'keys' | 'policy' | 'epoch' | 'aclInReach'
> {
  bus: Bus;
  options: EdgeOptions;
  bootId: string;
  logger: Logger;
  endpoint: Endpoint;
  /** The node's own, which both ports show. */
  certificate: KeptCertificate;
  /** Of the tunnel port, and of the port that first calls come to. */
  gates: { tunnel: HandshakeGate; connect: HandshakeGate };
  turns: Turns;
  tunnels: Tunnels;
  metrics: Pick<EdgeMetrics, 'handshakeFailed' | 'called'>;
  /** The nodes that a client is sent to. */
  nodes(): NodeAddress[];
  draining(): boolean;
  onTunnel(tunnel: Tunnel): void;
}

/** All that clients meet. */
export class ClientSide {
  readonly #parts: ClientSideParts;
  readonly #handshake: TunnelHandshakeParts;
  #tunnelServer: TunnelServer | null = null;
  #connectServer: ConnectServer | null = null;

  constructor(parts: ClientSideParts) {
    this.#parts = parts;
    const { options, bootId, endpoint, logger, metrics, keys } = parts;
    this.#handshake = {
      node: options.name,
      bootId,
      endpoint,
      verifier: new TicketVerifier({
        node: options.name,
        keys,
        policy: (gatewayId) => parts.policy(gatewayId),
        epoch: () => parts.epoch(),
        aclInReach: () => parts.aclInReach(),
      }),
      logger: subsystemLogger(logger, 'tunnels'),
      lines: new LineLimit(linesPerSecondMax),
      whyClosed: () => this.#whyClosed(),
      whyFull: (client) => this.#whyFull(client),
      onTunnel: (tunnel) => parts.onTunnel(tunnel),
      onFailure: (code) => metrics.handshakeFailed(code),
    };
  }

  /** The tunnel port; 0 before it listens. */
  get port(): number {
    return this.#tunnelServer?.port ?? 0;
  }

  /** Opens the tunnel port, and answers first calls from then on. */
  async listen(certificate: HeldCertificate): Promise<void> {
    const { options, gates, turns, logger } = this.#parts;
    const tunnelServer = new TunnelServer({
      ...this.#common(certificate),
      host: options.listenHost,
      port: options.tunnelPort,
      gate: gates.tunnel,
      turns,
      logger: subsystemLogger(logger, 'tunnels'),
    });
    const connectServer = this.#makeConnectServer(certificate);
    this.#tunnelServer = tunnelServer;
    this.#connectServer = connectServer;
    this.#parts.certificate.onRenewed((renewed) => {
      tunnelServer.useCertificate(renewed);
      connectServer.useCertificate(renewed);
    });
    await tunnelServer.listen();
  }

  /** Has a connection of the shared port from now on. */
  serve(connection: PlatformConnection): void {
    this.#connectServer?.serve(connection);
  }

  /** Takes nobody any more. Idempotent. */
  close(): void {
    this.#connectServer?.close();
    this.#tunnelServer?.close();
  }

  #common(certificate: HeldCertificate) {
    return {
      certificate,
      accept: (carrier: Carrier) => acceptTunnel(this.#handshake, carrier),
      onTlsError: () => this.#parts.metrics.handshakeFailed('TLS'),
    };
  }

  #makeConnectServer(certificate: HeldCertificate): ConnectServer {
    const { options, bus, logger, metrics } = this.#parts;
    const callsPerMinute = options.connectCallsPerMinute;
    return new ConnectServer({
      ...this.#common(certificate),
      callRate: new RateLimit({
        perSecond: callsPerMinute / 60,
        burst: callsPerMinute,
        addressesMax: options.addressesMax,
      }),
      gate: this.#parts.gates.connect,
      turns: this.#parts.turns,
      bus,
      nodes: () => this.#parts.nodes(),
      draining: () => this.#parts.draining(),
      onCall: (code) => metrics.called(code),
      logger: subsystemLogger(logger, 'connect'),
      lines: new LineLimit(linesPerSecondMax),
    });
  }

  #whyClosed(): EdgeError | null {
    if (this.#parts.draining()) return new EdgeError('EDGE_DRAINING', 'this node is stopping');
    return this.#whyFull(null);
  }

  #whyFull(client: VerifiedClient | null): EdgeError | null {
    const { tunnels, options } = this.#parts;
    return whyTunnelsFull(tunnels, options.tunnelsMax, client);
  }
}
