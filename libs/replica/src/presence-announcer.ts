/**
 * The node's side of presence: announces each change of its tunnels with the next number, beats each second, and
 * answers with the whole set. All of it also goes to `onAnnounce`, for the relay links and the node's own table.
 */
import type { Bus, Subscription } from '@postern/bus';
import {
  announce,
  answer,
  nodeBeat,
  nodeSnapshot,
  tunnelChanged,
  type NodeBeat,
  type NodeSnapshot,
  type TunnelNotice,
  type TunnelPresence,
} from '@postern/contracts';
import { systemClock, type Clock } from './clock.ts';
import { pageBytes, takePage } from './page.ts';
import { TunnelDigest } from './tunnel-digest.ts';

/** How often a node beats. */
const nodeBeatIntervalMs = 1_000;

/** What is announced: one of them. */
export interface Announcement {
  tunnel?: TunnelNotice;
  beat?: NodeBeat;
}

/** What an announcer is made of. */
export interface PresenceAnnouncerOptions {
  bus: Bus;
  node: string;
  bootId: string;
  /** RFC 3339, UTC; shown to operators. */
  startedAt: string;
  version: string;
  /** What changes in a node's life; read at each beat. */
  describe: () => Pick<NodeBeat, 'address' | 'link' | 'ready' | 'draining' | 'callers' | 'behind'>;
  onAnnounce?: (announcement: Announcement) => void;
  onError: (error: unknown) => void;
  clock?: Clock;
}

/** One boot's announcements. */
export class PresenceAnnouncer {
  readonly #options: PresenceAnnouncerOptions;
  readonly #tunnels = new Map<string, TunnelPresence>();
  readonly #digest = new TunnelDigest();
  #sorted: string[] | null = null;
  #sequence = 0;
  #subscriptions: Subscription[] = [];

  constructor(options: PresenceAnnouncerOptions) {
    this.#options = options;
  }

  /** Answers, and beats from now on. */
  start(): void {
    const { bus, node, clock, onError } = this.#options;
    const stopBeats = (clock ?? systemClock).every(nodeBeatIntervalMs, () => this.beat());
    this.#subscriptions = [
      answer(bus, nodeSnapshot, ({ after }) => this.page(after), { suffix: node, onError }),
      bus.onConnection((connected) => connected && this.beat()),
      { close: stopBeats },
    ];
    this.beat();
  }

  /** Says goodbye; call it before the bus is closed. */
  stop(): void {
    if (this.#subscriptions.length === 0) return;
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#beat(true);
  }

  /** A tunnel is up, or something about it is new. */
  up(tunnel: TunnelPresence): void {
    if (!this.#tunnels.has(tunnel.tunnelId)) this.#toggle(tunnel.tunnelId);
    this.#tunnels.set(tunnel.tunnelId, tunnel);
    this.#announce({ up: tunnel });
  }

  /** A tunnel is down. */
  down(tunnelId: string): void {
    if (!this.#tunnels.delete(tunnelId)) return;
    this.#toggle(tunnelId);
    this.#announce({ down: { tunnelId } });
  }

  /** Beats at once, when what it says of itself is new. */
  beat(): void {
    this.#beat(false);
  }

  /** A page of the set, for those who ask over a link between nodes: there a page has fewer bytes. */
  page(after?: string, bytesMax = pageBytes): NodeSnapshot {
    this.#sorted ??= [...this.#tunnels.keys()].sort();
    const left = after === undefined ? this.#sorted : this.#sorted.slice(firstAbove(this.#sorted, after));
    const tunnels = takePage(this.#present(left), bytesMax);
    return { ...this.#origin(), tunnels, more: tunnels.length < left.length };
  }

  *#present(ids: readonly string[]): Iterable<TunnelPresence> {
    for (const id of ids) {
      const tunnel = this.#tunnels.get(id);
      if (tunnel !== undefined) yield tunnel;
    }
  }

  #toggle(tunnelId: string): void {
    this.#digest.toggle(tunnelId);
    this.#sorted = null;
  }

  #announce(change: Pick<TunnelNotice, 'up' | 'down'>): void {
    this.#sequence += 1;
    const tunnel = { ...this.#origin(), ...change };
    this.#options.onAnnounce?.({ tunnel });
    this.#publish(() => announce(this.#options.bus, tunnelChanged, tunnel));
  }

  #beat(goodbye: boolean): void {
    const { version, describe, bus } = this.#options;
    const set = { digest: this.#digest.text, tunnels: this.#tunnels.size };
    const beat = { ...this.#origin(), ...set, ...describe(), goodbye, version };
    this.#options.onAnnounce?.({ beat });
    this.#publish(() => announce(bus, nodeBeat, beat));
  }

  /** What cannot be announced (too long for the bus) is found by the snapshot, so it is only told. */
  #publish(publish: () => void): void {
    try {
      publish();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #origin(): Pick<TunnelNotice, 'node' | 'bootId' | 'startedAt' | 'sequence'> {
    const { node, bootId, startedAt } = this.#options;
    return { node, bootId, startedAt, sequence: this.#sequence };
  }
}

function firstAbove(sorted: readonly string[], after: string): number {
  const found = sorted.findIndex((id) => id > after);
  return found === -1 ? sorted.length : found;
}
