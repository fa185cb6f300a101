/**
 * Presence as this node has its part in it (docs/ARCHITECTURE.md, "Presence"): it announces its tunnels, and knows those
 * of the others. Its own announcements go into its own table at once, and to its neighbours over their links, so that
 * nothing here depends on the bus.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Bus, Subscription } from '@postern/bus';
import {
  type NodeAddress,
  type NodeBeat,
  type NodeSnapshot,
  type TunnelPresence,
  listen,
  nodeBeat,
} from '@postern/contracts';
import {
  type Announcement,
  type AskPage,
  type LocatedTunnel,
  PresenceAnnouncer,
  PresenceTable,
  askOnBus,
} from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import type { NodeCode } from '../errors.ts';
import { orderNodes } from '../client/node-list.ts';
import type { TunnelObserver } from '../client/tunnels.ts';

/** Who this node is, and who wants to know of the others. */
export interface PresenceParts {
  bus: Bus;
  logger: Logger;
  node: string;
  bootId: string;
  version: string;
  describe(): Pick<NodeBeat, 'address' | 'link' | 'ready' | 'draining' | 'callers' | 'behind'>;
  /** A tunnel has come up at another node. */
  onTunnelElsewhere(tunnel: TunnelPresence): void;
  /** One has gone there. */
  onLossElsewhere?(gatewayId: string): void;
  /** A client that has a tunnel there has another list of its own. */
  onOwnRulesElsewhere?(gatewayId: string): void;
  /** What is announced, for the links to the other nodes. */
  onAnnounce?(announcement: Announcement): void;
  /** A node came, went, or says something new of itself. */
  onNode?(node: string): void;
  /** Asks over a link, where the bus brings no answer. */
  askOverLink?: AskPage;
}

/** Announces and listens. */
export class Presence implements TunnelObserver {
  readonly #parts: PresenceParts;
  readonly #announcer: PresenceAnnouncer;
  readonly #table: PresenceTable;
  #beats: Subscription | null = null;
  /** The boot of another node that has this one's name, once it was told. */
  #twin: string | null = null;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { bus, node, bootId, version, logger } = parts;
    const onError = (error: unknown) => logger.debug({ error }, 'presence has a gap for now');
    const askOverBus = askOnBus(bus);
    const { askOverLink } = parts;
    const askEither: AskPage = (at, after, signal) => {
      if (askOverLink === undefined) return askOverBus(at, after, signal);
      if (!bus.connected) return askOverLink(at, after, signal);
      return askOverBus(at, after, signal).catch(() => askOverLink(at, after, signal));
    };
    this.#table = new PresenceTable({
      bus,
      onError,
      askPage: askEither,
      onNode: (at) => {
        if (at !== node) parts.onNode?.(at);
      },
      onTunnel: (at, now, before) => {
        if (at === node) return;
        if (now === null) {
          if (before !== null) parts.onLossElsewhere?.(before.gatewayId);
        } else if (before === null) parts.onTunnelElsewhere(now);
        else if (!isDeepStrictEqual(now.ownRules, before.ownRules))
          parts.onOwnRulesElsewhere?.(now.gatewayId);
      },
    });
    this.#announcer = new PresenceAnnouncer({
      bus,
      node,
      bootId,
      version,
      startedAt: new Date().toISOString(),
      describe: () => parts.describe(),
      onAnnounce: (announcement) => {
        this.handleAnnouncement(announcement);
        parts.onAnnounce?.(announcement);
      },
      onError,
    });
  }

  /** Hears of the others from now on. */
  listen(): void {
    this.#table.start();
    const { bus, logger } = this.#parts;
    const onError = (error: unknown) => logger.debug({ error }, 'a beat could not be read');
    this.#beats = listen(bus, nodeBeat, (beat) => this.#handleTwin(beat), onError);
  }

  /** Tells the others from now on. */
  announce(): void {
    this.#announcer.start();
  }

  /** Says at once that something about the node is new. */
  tellNews(): void {
    this.#announcer.beat();
  }

  /** Where clients are sent: ready nodes, those heard of lately first, this one always among them unless it drains. */
  nodes(): NodeAddress[] {
    const { node } = this.#parts;
    const own = this.#parts.describe();
    const others = this.#table.nodes().filter((one) => one.name !== node && one.ready && !one.draining);
    const addresses = (heard: boolean) =>
      others
        .filter((one) => one.heard === heard)
        .map((one) => this.#table.addressOf(one.name))
        .filter((address) => address !== null);
    const first = own.draining ? addresses(true) : [own.address, ...addresses(true)];
    return orderNodes(first, addresses(false));
  }

  /** Where the other nodes wait for links. */
  links(): { node: string; host: string; port: number }[] {
    return this.#table.links().filter(({ node }) => node !== this.#parts.node);
  }

  /** A gateway's tunnels at other nodes. */
  elsewhere(gatewayId: string): LocatedTunnel[] {
    return this.#table.tunnels(gatewayId).filter(({ node }) => node !== this.#parts.node);
  }

  /** A client's tunnels at other nodes. */
  clientElsewhere(gatewayId: string, clientId: string): LocatedTunnel[] {
    const tunnels = this.#table.tunnelsOfClient(gatewayId, clientId);
    return tunnels.filter(({ node }) => node !== this.#parts.node);
  }

  /** The gateways that have tunnels at a node. */
  gatewaysOf(node: string): Iterable<string> {
    return this.#table.gatewaysOf(node);
  }

  /** No other node is asked for its tunnels at present. */
  get isSettled(): boolean {
    return this.#table.isSettled;
  }

  /** Whether a node was not heard of lately, or its link broke: it is tried last. */
  isQuiet(node: string): boolean {
    return this.#table.isQuiet(node);
  }

  /** A link to a node came up or broke. A new neighbour is told at once who is here. */
  handleLink(node: string, isUp: boolean): void {
    this.#table.setSuspect(node, !isUp);
    if (isUp) this.#announcer.beat();
  }

  /** This node announces, or a neighbour over its link. */
  handleAnnouncement({ tunnel, beat }: Announcement): void {
    if (tunnel !== undefined) this.#table.handleTunnel(tunnel);
    if (beat !== undefined) this.#table.handleBeat(beat);
  }

  /** A page of this node's own tunnels. */
  page(after: string | undefined, bytesMax: number): NodeSnapshot {
    return this.#announcer.page(after, bytesMax);
  }

  tunnelUp(tunnel: TunnelPresence): void {
    this.#announcer.up(tunnel);
  }

  tunnelDown(tunnelId: string): void {
    this.#announcer.down(tunnelId);
  }

  /** The others know one boot under one name, and for good: this node is it no longer, or will not be. */
  #handleTwin({ node, bootId, address, goodbye }: NodeBeat): void {
    const own = this.#parts;
    const code: NodeCode = 'EDGE_NAME_TAKEN';
    // It has not said that itself: before its own goodbye it listens no more.
    if (goodbye && node === own.node && bootId === own.bootId)
      own.logger.error(
        { code, node },
        'somebody else on the bus said goodbye in the name of this node; the others ask it, and know it on: find out who',
      );
    if (goodbye || node !== own.node || bootId === own.bootId || bootId === this.#twin) return;
    this.#twin = bootId;
    own.logger.error(
      { code, node, otherBootId: bootId, otherAddress: `${address.host}:${address.port}` },
      'another node has the name of this one, and the others know one of the two only: give each a name of its own, and restart this one too',
    );
  }

  /** Says goodbye. */
  async stop(): Promise<void> {
    this.#beats?.close();
    this.#announcer.stop();
    await this.#table.stop();
  }
}
