/**
 * The node's side towards the other nodes, put together: what it says of itself and knows of them, and its links to them.
 *
 *     beats, tunnels ──► Presence ──► who has which client, where links are dialled
 *                           ▲  │
 *                           │  ▼ announcements, pages: also while the bus is away
 *                          Links ──► streams that nodes relay for each other
 */
import type { Bus } from '@postern/bus';
import type { NodeBeat, TunnelPresence } from '@postern/contracts';
import { LineLimit, type Logger, subsystemLogger } from '@postern/telemetry';
import type { Endpoint } from '@postern/tunnel';
import type { EdgeOptions } from './config.ts';
import { linesPerSecondMax } from './gates.ts';
import type { HandshakeGate } from './handshake-gate.ts';
import { joinFleet } from './join.ts';
import { Links } from './links.ts';
import type { EdgeMetrics } from './metrics.ts';
import { linkAddress, nodeAddress } from './names.ts';
import { Presence } from './presence.ts';
import type { ServerCertificate } from './server-certificate.ts';

/** What it needs of the node. */
export interface FleetSideParts {
  bus: Bus;
  options: EdgeOptions;
  bootId: string;
  version: string;
  /** There are no other nodes: nothing listens for them. */
  alone: boolean;
  logger: Logger;
  endpoint: Endpoint;
  /** The node's certificate from the cluster's CA. */
  identity: ServerCertificate;
  gate: HandshakeGate;
  metrics: Pick<EdgeMetrics, 'linkFailed'>;
  tunnelPort(): number;
  describe(): Pick<NodeBeat, 'ready' | 'draining' | 'callers'>;
  /** A tunnel has come up at another node. */
  onTunnelElsewhere(tunnel: TunnelPresence): void;
  /** A tunnel has gone there. */
  onLossElsewhere(gatewayId: string): void;
  /** A client that has a tunnel there has another list of its own. */
  onOwnRulesElsewhere(gatewayId: string): void;
  /** A link to another node is up, or broken. */
  onLink(node: string, isUp: boolean): void;
  /** A node came, went, or says something new of itself. */
  onNode(): void;
}

/** All that concerns other nodes. */
export class FleetSide {
  readonly presence: Presence;
  readonly links: Links;
  readonly #parts: FleetSideParts;

  constructor(parts: FleetSideParts) {
    this.#parts = parts;
    this.presence = this.#makePresence();
    this.links = this.#makeLinks();
  }

  /** Opens the link port, where there are other nodes. */
  async listen(): Promise<void> {
    const { alone, identity } = this.#parts;
    if (!alone && identity.current !== null) await this.links.open(identity.current);
  }

  /** Resolves when the others are known as well as they will be. */
  async join(signal: AbortSignal): Promise<void> {
    const { alone, options } = this.#parts;
    if (alone) return;
    const { presence, links } = this;
    const isSettled = (): boolean =>
      presence.isSettled &&
      presence.links().every(({ node }) => presence.isQuiet(node) || links.to(node) !== null);
    await joinFleet({ joinDelayMs: options.joinDelayMs, isSettled, signal });
  }

  #makePresence(): Presence {
    const { bus, logger, options, bootId, version } = this.#parts;
    return new Presence({
      bus,
      logger: subsystemLogger(logger, 'presence'),
      node: options.name,
      bootId,
      version,
      describe: () => ({
        address: nodeAddress(options, this.#parts.tunnelPort()),
        ...linkAddress(options, this.links.port),
        ...this.#parts.describe(),
      }),
      onTunnelElsewhere: (tunnel) => this.#parts.onTunnelElsewhere(tunnel),
      onLossElsewhere: (gatewayId) => this.#parts.onLossElsewhere(gatewayId),
      onOwnRulesElsewhere: (gatewayId) => this.#parts.onOwnRulesElsewhere(gatewayId),
      onAnnounce: (announcement) => this.links.announce(announcement),
      onNode: () => {
        this.links.dial();
        this.#parts.onNode();
      },
      askOverLink: (node, after, signal) => this.links.askPage(node, after, signal),
    });
  }

  #makeLinks(): Links {
    const { options, bootId, endpoint, identity, gate, logger, metrics } = this.#parts;
    const setLink = (node: string, isUp: boolean): void => {
      this.presence.handleLink(node, isUp);
      if (isUp) endpoint.seekPaths();
      this.#parts.onLink(node, isUp);
    };
    return new Links({
      self: { node: options.name, bootId },
      endpoint,
      certificate: identity,
      host: options.listenHost,
      port: options.linkPort,
      gate,
      logger: subsystemLogger(logger, 'links'),
      lines: new LineLimit(linesPerSecondMax),
      known: () => this.presence.links(),
      page: (after, bytesMax) => this.presence.page(after, bytesMax),
      onAnnounce: (announcement) => this.presence.handleAnnouncement(announcement),
      onUp: (node) => setLink(node, true),
      onDown: (node) => setLink(node, false),
      onFailure: (code) => metrics.linkFailed(code),
    });
  }
}
