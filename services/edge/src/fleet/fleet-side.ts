/**
 * The node's side towards the other nodes, put together: what it says of itself and knows of them, and its links to them.
 *
 *     beats, tunnels ──► Presence ──► who has which client, where links are dialled
 *                           ▲  │
 *                           │  ▼ announcements, pages: also while the bus is away
 *                          Links ──► streams that nodes relay for each other
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeptCertificate } from '@postern/kept-certificate';
import type { NodeBeat } from '@postern/contracts';
import { LineLimit, subsystemLogger } from '@postern/telemetry';
import type { Endpoint, ProcessName } from '@postern/tunnel';
import type { EdgeOptions } from '../config.ts';
import { linesPerSecondMax } from '../gate/gates.ts';
import type { HandshakeGate } from '../gate/handshake-gate.ts';
import { Links } from './links.ts';
import type { EdgeMetrics } from '../metrics.ts';
import { linkAddress, nodeAddress } from '../certificate/names.ts';
import { Presence, type PresenceParts } from './presence.ts';

const lookMs = 20;
/** A node that cannot be reached must not keep this one from serving. */
const settleMsMax = 3_000;

/** What it needs of the node. */
export interface FleetSideParts extends Pick<
  PresenceParts,
  'bus' | 'bootId' | 'version' | 'logger' | 'onTunnelElsewhere' | 'onLossElsewhere' | 'onOwnRulesElsewhere'
> {
  options: EdgeOptions;
  /** There are no other nodes: nothing listens for them. */
  alone: boolean;
  endpoint: Endpoint;
  /** The node's certificate from the cluster's CA. */
  identity: KeptCertificate;
  gate: HandshakeGate;
  metrics: Pick<EdgeMetrics, 'linkFailed'>;
  tunnelPort(): number;
  describe(): Pick<NodeBeat, 'ready' | 'draining' | 'callers' | 'behind'>;
  /** A link to another node is up, or broken. */
  onLink(node: string, isUp: boolean): void;
  /** A node wants a client of this node's to open a tunnel to it. */
  onTunnelWanted(node: string, gatewayId: string, client: ProcessName): void;
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

  /**
   * Resolves when the others are known as well as they will be: heard of (each beats within `joinDelayMs`), with their
   * tunnels and a link. Before that callers would be turned away whose client has a tunnel at another node, and a node that
   * is restarted is to be no worse than the one that it replaces.
   */
  async join(signal: AbortSignal): Promise<void> {
    const { alone, options } = this.#parts;
    if (alone) return;
    const { presence, links } = this;
    const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal }).catch(() => {});
    const isSettled = (): boolean =>
      presence.isSettled &&
      presence.links().every(({ node }) => presence.isQuiet(node) || links.to(node) !== null);
    if (options.joinDelayMs > 0) await pause(options.joinDelayMs);
    const deadline = performance.now() + settleMsMax;
    while (!signal.aborted && !isSettled() && performance.now() < deadline) await pause(lookMs);
  }

  #makePresence(): Presence {
    const { logger, options } = this.#parts;
    return new Presence({
      ...this.#parts,
      logger: subsystemLogger(logger, 'presence'),
      node: options.name,
      describe: () => ({
        address: nodeAddress(options, this.#parts.tunnelPort()),
        ...linkAddress(options, this.links.port),
        ...this.#parts.describe(),
      }),
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
      onTunnelWanted: (node, gatewayId, client) => this.#parts.onTunnelWanted(node, gatewayId, client),
    });
  }
}
