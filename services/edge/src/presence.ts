/**
 * Presence as this node has its part in it (docs/ARCHITECTURE.md, "Presence"): it announces its tunnels, and knows those
 * of the others. Its own announcements go into its own table at once, so that nothing here depends on the bus.
 */
import type { Bus } from '@postern/bus';
import type { NodeAddress, TunnelPresence } from '@postern/contracts';
import { PresenceAnnouncer, PresenceTable } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import { orderNodes } from './node-list.ts';
import type { TunnelObserver } from './tunnels.ts';

/** Who this node is, and who wants to know of the others. */
export interface PresenceParts {
  bus: Bus;
  logger: Logger;
  node: string;
  bootId: string;
  version: string;
  describe(): { address: NodeAddress; ready: boolean; draining: boolean };
  /** A tunnel has come up at another node. */
  onTunnelElsewhere(tunnel: TunnelPresence): void;
}

/** Announces and listens. */
export class Presence implements TunnelObserver {
  readonly #parts: PresenceParts;
  readonly #announcer: PresenceAnnouncer;
  readonly #table: PresenceTable;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { bus, node, bootId, version, logger } = parts;
    const onError = (error: unknown) => logger.debug({ error }, 'presence has a gap for now');
    this.#table = new PresenceTable({
      bus,
      onError,
      onTunnel: (at, now, before) => {
        if (at !== node && now !== null && before === null) parts.onTunnelElsewhere(now);
      },
    });
    this.#announcer = new PresenceAnnouncer({
      bus,
      node,
      bootId,
      version,
      startedAt: new Date().toISOString(),
      describe: () => parts.describe(),
      onAnnounce: ({ tunnel, beat }) => {
        if (tunnel !== undefined) this.#table.handleTunnel(tunnel);
        if (beat !== undefined) this.#table.handleBeat(beat);
      },
      onError,
    });
  }

  /** Hears of the others from now on. */
  listen(): void {
    this.#table.start();
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

  tunnelUp(tunnel: TunnelPresence): void {
    this.#announcer.up(tunnel);
  }

  tunnelDown(tunnelId: string): void {
    this.#announcer.down(tunnelId);
  }

  /** Says goodbye. */
  async stop(): Promise<void> {
    this.#announcer.stop();
    await this.#table.stop();
  }
}
