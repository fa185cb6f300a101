/**
 * Who has which tunnels up, in memory (docs/ARCHITECTURE.md, "Presence"). Fed by the bus, and by relay links through
 * `handleTunnel` and `handleBeat`; the same notice over both is applied once. What was lost is found by the next
 * beat, so the table is right within a second or two of any trouble.
 *
 * Another boot of a known node is believed when the node itself answers under it: a message alone may be late, and
 * clocks are not asked. Then it replaces the former for good. On the bus, where whoever is on it may speak in the name of
 * any node, so is one that nobody knew; and a goodbye when the node does not answer any more.
 */
import type { Bus, Subscription } from '@postern/bus';
import {
  listen,
  nodeBeat,
  tunnelChanged,
  type FleetNode,
  type NodeAddress,
  type NodeBeat,
  type NodeSnapshot,
  type TunnelNotice,
  type TunnelPresence,
} from '@postern/contracts';
import { BootHistory } from './boot-history.ts';
import { systemClock, type Clock } from './clock.ts';
import { OwnLists } from './own-lists.ts';
import { PresenceNode, type Origin } from './presence-node.ts';
import { askOnBus, fetchSnapshot, type AskPage } from './presence-snapshot.ts';
import { ReplicaError } from './replica-error.ts';
import { TunnelIndex, type LocatedTunnel } from './tunnel-index.ts';

/** Most nodes. */
export const nodesMax = 1_024;
/** A node unheard for longer is tried last. */
export const quietAfterMs = 3_000;
/** A node unheard for longer is forgotten. */
export const forgetAfterMs = 600_000;

/** Names can be made up as fast as somebody likes: that one of them does not answer is told this often. */
const toldAgainMs = 60_000;

/** What a table is made of. */
export interface PresenceTableOptions {
  bus: Bus;
  onError: (error: unknown) => void;
  /** Called at each change; `now` is null for a tunnel that went down, `before` for one that came up. */
  onTunnel?: (node: string, now: TunnelPresence | null, before: TunnelPresence | null) => void;
  /** Called when a node came, was started again, says something new of itself, or is forgotten. */
  onNode?: (node: string) => void;
  /** How a node's set is asked for; over the bus unless given. */
  askPage?: AskPage;
  clock?: Clock;
}

/** One process' view of the fleet. */
export class PresenceTable {
  readonly #options: PresenceTableOptions;
  readonly #clock: Clock;
  readonly #askPage: AskPage;
  readonly #nodes = new Map<string, PresenceNode>();
  readonly #index = new TunnelIndex();
  readonly #lists = new OwnLists();
  readonly #over = new BootHistory();
  readonly #asking = new Map<string, Promise<void>>();
  /** What made nodes known that are asked for the first time. */
  readonly #firstBeats = new Map<string, NodeBeat>();
  /** Nodes in whose name goodbye was heard, and that are asked whether they are gone. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #toldAt = -Infinity;
  #subscriptions: Subscription[] = [];

  constructor(options: PresenceTableOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#askPage = options.askPage ?? askOnBus(options.bus);
  }

  start(): void {
    const { bus, onError } = this.#options;
    const stopSweep = this.#clock.every(1_000, () => this.#sweep());
    this.#subscriptions = [
      listen(bus, tunnelChanged, (notice) => this.#hearTunnel(notice), onError),
      listen(bus, nodeBeat, (beat) => this.#hearBeat(beat), onError),
      { close: stopSweep },
    ];
  }

  /** Ends for good; resolves when nothing of it runs. */
  async stop(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#stopping.abort();
    await Promise.all([...this.#asking.values(), ...this.#leaving.values()]);
  }

  /** No node is asked for its set at present. */
  get isSettled(): boolean {
    return this.#asking.size === 0;
  }

  /** Every tunnel of the gateway; those of quiet nodes last. */
  tunnels(gatewayId: string): LocatedTunnel[] {
    return this.#quietLast(this.#index.of(gatewayId));
  }

  /** Every tunnel of one client; those of quiet nodes last. */
  tunnelsOfClient(gatewayId: string, clientId: string): LocatedTunnel[] {
    return this.#quietLast(this.#index.ofClient(gatewayId, clientId));
  }

  /** The gateways that have tunnels at a node. */
  gatewaysOf(node: string): Set<string> {
    const tunnels = this.#nodes.get(node)?.tunnels.values() ?? [];
    return new Set([...tunnels].map(({ gatewayId }) => gatewayId));
  }

  /** The gateways that have tunnels. */
  get gateways(): Iterable<string> {
    return this.#index.gateways;
  }

  /** All nodes that are not forgotten and have said where they are. */
  nodes(): FleetNode[] {
    return [...this.#nodes.values()].flatMap(({ name, bootId, startedAt, beat, tunnels }) => {
      if (beat === null) return [];
      const { version, ready, draining, address, behind } = beat;
      const place = { zone: address.zone, address: `${address.host}:${address.port}` };
      return [
        {
          name,
          bootId,
          startedAt,
          version,
          ...place,
          heard: !this.isQuiet(name),
          ready,
          draining,
          tunnels: tunnels.size,
          callers: beat.callers ?? null,
          ...(behind === undefined ? {} : { behind }),
        },
      ];
    });
  }

  /** Where the links to other nodes lead, as these say themselves, with the boot that says so. */
  links(): { node: string; bootId: string; host: string; port: number }[] {
    return [...this.#nodes.values()].flatMap(({ name, bootId, beat }) => {
      return beat?.link === undefined ? [] : [{ node: name, bootId, ...beat.link }];
    });
  }

  /** Where clients reach a node, as it says itself; null for one that is not known. */
  addressOf(node: string): NodeAddress | null {
    return this.#nodes.get(node)?.beat?.address ?? null;
  }

  /** Whether the node is to be tried last: not heard of lately, or its relay link broke. */
  isQuiet(node: string): boolean {
    const known = this.#nodes.get(node);
    return known === undefined || known.isSuspect || this.#clock.now() - known.heardAt > quietAfterMs;
  }

  /** The relay link to the node broke, or is there again. */
  setSuspect(node: string, isSuspect: boolean): void {
    const known = this.#nodes.get(node);
    if (known !== undefined) known.isSuspect = isSuspect;
  }

  /** Takes an announcement of the node itself: over a relay link, or this process' own. */
  handleTunnel(notice: TunnelNotice): void {
    const node = this.#find(notice);
    if (node?.handleTunnel(notice) === true) this.#ask(node.name);
  }

  /** Takes a beat of the node itself: over a relay link, or this process' own. */
  handleBeat(beat: NodeBeat): void {
    if (beat.goodbye) return this.#handleGoodbye(beat);
    const node = this.#find(beat);
    if (node === null) return;
    const before = node.beat;
    if (node.handleBeat(beat)) this.#ask(node.name);
    if (node.beat !== before && isNews(before, beat)) this.#options.onNode?.(node.name);
  }

  #hearTunnel(notice: TunnelNotice): void {
    if (this.#nodes.has(notice.node)) this.handleTunnel(notice);
    else this.#askNewcomer(notice);
  }

  #hearBeat(beat: NodeBeat): void {
    if (beat.goodbye) this.#hearGoodbye(beat);
    else if (this.#nodes.has(beat.node)) this.handleBeat(beat);
    else if (this.#askNewcomer(beat)) this.#firstBeats.set(beat.node, beat);
  }

  /** A node that goes answers no more before it says so. */
  #hearGoodbye(beat: NodeBeat): void {
    const { node, bootId } = beat;
    if (this.#nodes.get(node)?.bootId !== bootId || this.#leaving.has(node)) return;
    const { signal } = this.#stopping;
    const leaving = this.#askPage(node, undefined, signal)
      .then(
        (page) => page.bootId !== bootId,
        () => !signal.aborted,
      )
      .then((isGone) => {
        this.#leaving.delete(node);
        if (isGone) this.#handleGoodbye(beat);
      });
    this.#leaving.set(node, leaving);
  }

  /** Returns whether it is asked. */
  #askNewcomer({ node, bootId }: Origin): boolean {
    if (this.#over.has(node, bootId)) return false;
    if (this.#asking.size < nodesMax) this.#ask(node);
    return this.#asking.has(node);
  }

  #quietLast(tunnels: LocatedTunnel[]): LocatedTunnel[] {
    const quiet = new Set(tunnels.map(({ node }) => node).filter((node) => this.isQuiet(node)));
    if (quiet.size === 0) return tunnels;
    return tunnels.toSorted((a, b) => Number(quiet.has(a.node)) - Number(quiet.has(b.node)));
  }

  #handleGoodbye({ node, bootId }: NodeBeat): void {
    this.#over.add(node, bootId);
    if (this.#nodes.get(node)?.bootId === bootId) this.#forget(node);
  }

  /** The boot that speaks, as it is known; null when it is not to be believed (yet). */
  #find(origin: Origin): PresenceNode | null {
    const known = this.#nodes.get(origin.node);
    if (known?.bootId === origin.bootId) {
      known.heardAt = this.#clock.now();
      return known;
    }
    if (this.#over.has(origin.node, origin.bootId)) return null;
    if (known === undefined) return this.#replace(origin);
    this.#ask(origin.node);
    return null;
  }

  #replace(origin: Origin): PresenceNode | null {
    const { node: name } = origin;
    const former = this.#nodes.get(name);
    if (former === undefined && this.#nodes.size >= nodesMax) {
      this.#options.onError(
        new ReplicaError('REPLICA_PRESENCE_FULL', `${name} is one node more than ${nodesMax}`),
      );
      return null;
    }
    if (former !== undefined) {
      this.#over.add(name, former.bootId);
      this.#forget(name);
    }
    const node = new PresenceNode(origin, this.#clock.now(), {
      lists: this.#lists,
      onChange: (now, before) => {
        this.#index.change(name, now, before);
        this.#options.onTunnel?.(name, now, before);
      },
    });
    this.#nodes.set(name, node);
    return node;
  }

  #forget(name: string): void {
    const node = this.#nodes.get(name);
    this.#nodes.delete(name);
    node?.clear();
    this.#options.onNode?.(name);
  }

  #sweep(): void {
    for (const { name, heardAt } of this.#nodes.values()) {
      if (this.#clock.now() - heardAt > forgetAfterMs) this.#forget(name);
    }
  }

  /** Asks a node for its set, unless that is under way. */
  #ask(name: string): void {
    if (this.#asking.has(name)) return;
    const asking = fetchSnapshot(name, this.#askPage, this.#stopping.signal)
      .then(
        (snapshot) => ({ snapshot }),
        (error: unknown) => ({ error }),
      )
      .then((outcome) => {
        this.#asking.delete(name);
        const firstBeat = this.#firstBeats.get(name);
        this.#firstBeats.delete(name);
        if ('snapshot' in outcome) this.#handleSnapshot(outcome.snapshot, firstBeat);
        else this.#handleSilence(name, outcome.error);
      });
    this.#asking.set(name, asking);
  }

  #handleSnapshot(snapshot: NodeSnapshot, firstBeat?: NodeBeat): void {
    const { node: name, bootId } = snapshot;
    if (this.#over.has(name, bootId)) return this.#nodes.get(name)?.abandonSnapshot();
    const known = this.#nodes.get(name);
    const node = known?.bootId === bootId ? known : this.#replace(snapshot);
    if (node === null) return;
    node.heardAt = this.#clock.now();
    if (firstBeat?.bootId === bootId) {
      node.handleBeat(firstBeat);
      this.#options.onNode?.(name);
    }
    if (node.handleSnapshot(snapshot)) this.#ask(name);
    if (node.isFull) {
      this.#options.onError(
        new ReplicaError('REPLICA_PRESENCE_FULL', `${name} has more tunnels than are kept`),
      );
    }
  }

  #handleSilence(name: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const known = this.#nodes.get(name);
    known?.abandonSnapshot();
    if (known !== undefined || this.#isToldAgain()) this.#options.onError(error);
  }

  #isToldAgain(): boolean {
    const now = this.#clock.now();
    if (now - this.#toldAt < toldAgainMs) return false;
    this.#toldAt = now;
    return true;
  }
}

/** Beats come each second and mostly say the same. */
function isNews(before: NodeBeat | null, now: NodeBeat): boolean {
  const told = ({ address, link, ready, draining, version }: NodeBeat): string =>
    JSON.stringify([address, link, ready, draining, version]);
  return before === null || told(before) !== told(now);
}
