/**
 * Keeps one gateway's tunnels up: decides when to make the first call, which way to dial, what to replace and what to
 * let go. A state machine without IO: events and the time go in, actions come out, and `wakeAt` says when it wants to
 * be stepped again at the latest. It knows nothing of sockets, streams, tokens or logs.
 *
 *   slot:  idle ──dial──► dialling ──dialUp──► up ──tunnelDown, tunnelDraining──► idle
 *           │  ▲              │                 └─ better dial ─ dialUp: new one up, then the old one drained
 *           ▼  └── next way, or a new first call ◄── dialFailed
 *         needs a ticket ──► call ──callAnswered──► dial
 *                                 └─callFailed────► dial with the reserve ticket, or wait
 *
 * Invariants: at most `tunnels` slots, one call and one better dial at a time; a slot waits at most 5 s between two
 * tries unless the platform asked for more by Retry-After; a tunnel is drained only when its replacement is up.
 *
 * Another token begins another era. What an earlier one opened stays until its replacement is up, one after the other, so
 * a token is changed without a cut, and one that is refused takes nothing away.
 */
import type { NodeAddress } from '@postern/contracts';
import { spreadMs, waitMs } from './backoff.ts';
import { CallGate } from './call-gate.ts';
import { type Grant, Wallet } from './grant.ts';
import type { KeeperAction, KeeperEvent, KeeperOptions } from './keeper-event.ts';
import { type Transport, type Way, addressKey, chooseWays, rankAddresses } from './route-choice.ts';

/** Waits that are not a retry's. */
export const KeeperTiming = {
  /** The first and the longest wait before direct TLS is tried again beside a WebSocket. */
  directProbeMsMin: 1000,
  directProbeMsMax: 60_000,
  /** Tries for another node in a row, and the wait after them. */
  spreadTriesMax: 8,
  spreadMs: 60_000,
  /** How often the list of nodes is asked for anew while it names one node only. */
  singleNodeMs: 300_000,
  /** A tunnel that ends sooner than this counts as a failed try. */
  flapMs: 5000,
} as const;

/** Within what time a client acts on another fleet: all of them hear of it at once. */
const fleetMs = 2000;

interface Dial {
  readonly id: number;
  readonly way: Way;
  readonly ticket: string;
  readonly era: number;
}

interface Up {
  readonly id: number;
  readonly node: string;
  readonly transport: Transport;
  readonly since: number;
  readonly era: number;
  /** Its node asked for another tunnel in its place. */
  leaving: boolean;
}

interface Slot {
  dial: Dial | null;
  better: Dial | null;
  up: Up | null;
  /** What is left of the round of ways, and the ticket that it began with. */
  round: { ways: Way[]; ticket: string; directFailed: boolean } | null;
  notBefore: number;
  flaps: number;
  improveAt: number;
}

/** The state machine for one gateway. */
export class TunnelKeeper {
  readonly #options: KeeperOptions;
  readonly #wallet = new Wallet();
  readonly #slots: Slot[];
  /** Nodes of tunnels that drain, by tunnel. */
  readonly #draining = new Map<number, string>();
  readonly #failedAt = new Map<string, number>();
  #actions: KeeperAction[] = [];
  #wakeAt: number | null = 0;
  #dialsMade = 0;
  readonly #call: CallGate;
  #mayUseReserve = false;
  #everUp = false;
  #over = false;
  #directIsBlocked = false;
  #directProbes = 0;
  #spreadTries = 0;
  /** How often the token was changed; of the last first call, and of the tickets that there are. */
  #era = 0;
  #callEra = 0;
  #grantEra = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#call = new CallGate(options.random);
    this.#slots = Array.from({ length: options.tunnels }, () => ({
      dial: null,
      better: null,
      up: null,
      round: null,
      notBefore: 0,
      flaps: 0,
      improveAt: 0,
    }));
  }

  /** When to step with `wake` unless something happens before; null when only an event can move it. */
  get wakeAt(): number | null {
    return this.#wakeAt;
  }

  /** How many tunnels are up and not draining. */
  get upCount(): number {
    return this.#slots.filter((slot) => slot.up !== null).length;
  }

  /** Takes what happened and says what to do. After `usedUp` or `end` it does nothing any more. */
  step(event: KeeperEvent, now: number): KeeperAction[] {
    this.#actions = [];
    if (this.#over) return this.#actions;
    this.#handle(event, now);
    this.#plan(now);
    return this.#actions;
  }

  /** Nothing is dialled any more. */
  end(): void {
    this.#over = true;
    this.#wakeAt = null;
  }

  #handle(event: KeeperEvent, now: number): void {
    switch (event.kind) {
      case 'wake':
        return;
      case 'renew':
        return this.#handleRenew(now);
      case 'fleet':
        return this.#handleFleet(event.nodes, now);
      case 'moveAsked':
        return this.#handleMoveAsked(event, now);
      case 'callAnswered':
        return this.#handleAnswer(event.grant, now);
      case 'callFailed':
        return this.#handleCallFailed(event.cause, event.retryAfterMs, now);
      case 'dialUp':
        return this.#handleUp(event.id, event.node, now);
      case 'dialFailed':
        return this.#handleDialFailed(event, now);
      case 'tunnelDraining':
      case 'tunnelDown':
        return this.#handleGone(event.id, event.kind === 'tunnelDraining', now);
    }
  }

  #handleRenew(now: number): void {
    this.#era += 1;
    this.#wallet.discardAll();
    this.#mayUseReserve = false;
    this.#call.hurry(now);
    for (const slot of this.#slots) slot.improveAt = now;
  }

  /** A node is new or gone: tunnels that end too close to each other are spread at once, but not by all clients at the same moment. */
  #handleFleet(nodes: readonly NodeAddress[], now: number): void {
    this.#wallet.takeNodes(nodes);
    this.#spreadTries = 0;
    for (const slot of this.#slots) slot.improveAt = Math.min(slot.improveAt, now + this.#soon(fleetMs));
  }

  #handleMoveAsked(event: KeeperEvent & { kind: 'moveAsked' }, now: number): void {
    const slot = this.#slots.find(({ up }) => up?.id === event.id);
    if (slot?.up === undefined || slot.up === null) return;
    // Those that are named come first; what else is known stays as a way out.
    const named = new Set(event.nodes.map(addressKey));
    const rest = this.#wallet.nodes.filter((address) => !named.has(addressKey(address)));
    this.#wallet.takeNodes([...event.nodes, ...rest]);
    slot.up.leaving = true;
    slot.improveAt = now + this.#soon(event.withinMs);
  }

  #soon(withinMs: number): number {
    return withinMs * this.#options.random();
  }

  #handleAnswer(grant: Grant, now: number): void {
    this.#call.end();
    this.#mayUseReserve = false;
    // It is for a token that has been changed since: the call is made anew.
    if (this.#callEra < this.#era) return;
    this.#grantEra = this.#callEra;
    this.#wallet.take(grant, now);
    const known = new Set(grant.nodes.map(addressKey));
    for (const key of this.#failedAt.keys()) if (!known.has(key)) this.#failedAt.delete(key);
  }

  #handleCallFailed(cause: 'refused' | 'unanswered', retryAfterMs: number, now: number): void {
    this.#call.end();
    if (cause === 'refused') this.#wallet.discardAll();
    else this.#wallet.reviveTicket();
    this.#mayUseReserve = cause === 'unanswered';
    this.#call.postpone(now, retryAfterMs);
    for (const slot of this.#slots) {
      if (slot.up !== null)
        slot.improveAt = Math.max(slot.improveAt, now + this.#around(KeeperTiming.spreadMs));
    }
  }

  #handleUp(id: number, node: string, now: number): void {
    const slot = this.#slots.find((one) => one.dial?.id === id || one.better?.id === id);
    const dial = slot?.dial?.id === id ? slot.dial : slot?.better;
    if (slot === undefined || dial === null || dial === undefined) return;
    const { era } = dial;
    const { transport, address } = dial.way;
    if (transport === 'websocket' && slot.round?.directFailed === true) this.#directIsBlocked = true;
    if (address !== null) this.#failedAt.delete(addressKey(address));
    if (slot.up !== null) {
      this.#draining.set(slot.up.id, slot.up.node);
      this.#actions.push({ kind: 'drain', id: slot.up.id });
    }
    Object.assign(slot, {
      dial: null,
      better: null,
      round: null,
      up: { id, node, transport, since: now, era, leaving: false },
    });
    this.#call.handleUp();
    this.#everUp = true;
    if (transport === 'direct') this.#handleDirectWorks(now);
    slot.improveAt =
      now + (transport === 'websocket' ? this.#probeWaitMs() : waitMs(0, this.#options.random()));
    // Changed once more while it was dialled.
    if (era < this.#era) slot.improveAt = now;
    this.#spreadTries = 0;
  }

  #handleDirectWorks(now: number): void {
    this.#directIsBlocked = false;
    this.#directProbes = 0;
    for (const slot of this.#slots) if (slot.up?.transport === 'websocket') slot.improveAt = now;
  }

  #handleDialFailed(event: KeeperEvent & { kind: 'dialFailed' }, now: number): void {
    const { id, cause, retryAfterMs } = event;
    for (const slot of this.#slots) {
      const dial = slot.dial?.id === id ? slot.dial : slot.better?.id === id ? slot.better : null;
      if (dial === null) continue;
      const { transport, address } = dial.way;
      if (cause === 'ticketRefused') this.#wallet.discard(dial.ticket);
      if (cause === 'path' && address !== null) this.#failedAt.set(addressKey(address), now);
      if (dial === slot.better) {
        slot.better = null;
        return this.#handleBetterFailed(transport, slot, cause, now);
      }
      slot.dial = null;
      if (transport === 'direct' && slot.round !== null) slot.round.directFailed = true;
      if (cause === 'ticketRefused' || (slot.round?.ways.length ?? 0) === 0)
        this.#endRound(slot, retryAfterMs, now);
      else slot.notBefore = now + retryAfterMs;
      return;
    }
  }

  #handleBetterFailed(
    transport: Transport,
    slot: Slot,
    cause: (KeeperEvent & { kind: 'dialFailed' })['cause'],
    now: number,
  ): void {
    if (slot.up?.transport === 'websocket' && transport === 'direct') {
      this.#directProbes += 1;
      for (const one of this.#slots)
        if (one.up?.transport === 'websocket') one.improveAt = now + this.#probeWaitMs();
      return;
    }
    this.#spreadTries += 1;
    // A way that does not tell nodes apart is no reason for haste; a node that is away may be back any moment, and its
    // callers wait for it.
    const soon = cause === 'path' || this.#spreadTries < KeeperTiming.spreadTriesMax;
    const wait = soon
      ? waitMs(this.#spreadTries, this.#options.random())
      : this.#around(KeeperTiming.spreadMs);
    for (const one of this.#slots) if (one.up !== null) one.improveAt = Math.max(one.improveAt, now + wait);
  }

  /** The round is over without a tunnel: what it knew may be stale, so the next one begins with a first call. */
  #endRound(slot: Slot, retryAfterMs: number, now: number): void {
    slot.round = null;
    this.#wallet.spendTicket();
    this.#mayUseReserve = false;
    this.#call.postponeForRound(now, retryAfterMs);
  }

  #handleGone(id: number, draining: boolean, now: number): void {
    this.#draining.delete(id);
    const slot = this.#slots.find((one) => one.up?.id === id);
    if (slot === undefined || slot.up === null) return;
    if (draining) this.#draining.set(id, slot.up.node);
    slot.flaps = now - slot.up.since < KeeperTiming.flapMs ? slot.flaps + 1 : 0;
    slot.notBefore = now + waitMs(slot.flaps, this.#options.random());
    slot.up = null;
    slot.dial = slot.better;
    slot.better = null;
    this.#directProbes = 0;
    this.#mayUseReserve = false;
    this.#call.hurry(slot.notBefore);
  }

  #plan(now: number): void {
    const wakes: number[] = [];
    let needsCall = false;
    for (const slot of this.#slots) {
      if (slot.up !== null || slot.dial !== null) continue;
      if (slot.notBefore > now) wakes.push(slot.notBefore);
      else if (!this.#dialNext(slot, now)) needsCall = true;
    }
    if (needsCall && this.#isUsedUp()) return this.#giveUp();
    const wantsCall = this.#improve(now, wakes);
    if ((needsCall || wantsCall) && !this.#call.inFlight) {
      if (this.#call.notBefore <= now) this.#startCall(needsCall);
      else wakes.push(this.#call.notBefore);
    }
    this.#wakeAt = wakes.length === 0 ? null : Math.min(...wakes);
  }

  #startCall(needed: boolean): void {
    this.#call.start(needed);
    this.#callEra = this.#era;
    this.#actions.push({ kind: 'call' });
  }

  /** Used up only when nothing is up or under way, so that a late success is never thrown away. */
  #isUsedUp(): boolean {
    const { reconnect } = this.#options;
    if (reconnect < 0 || this.#call.inFlight) return false;
    if (this.#slots.some((slot) => slot.up !== null || slot.dial !== null)) return false;
    return this.#call.countSinceUp >= reconnect + (this.#everUp ? 0 : 1);
  }

  #giveUp(): void {
    this.#actions.push({ kind: 'usedUp' });
    this.end();
  }

  /** Dials the slot's next way; false when that takes a first call. */
  #dialNext(slot: Slot, now: number): boolean {
    slot.round ??= this.#beginRound(now);
    const way = slot.round?.ways.shift();
    if (slot.round === null || way === undefined) {
      slot.round = null;
      return false;
    }
    slot.dial = this.#dial(way, slot.round.ticket, []);
    return true;
  }

  #beginRound(now: number): Slot['round'] {
    const ticket = this.#wallet.ticket(now) ?? (this.#mayUseReserve ? this.#wallet.reserve(now) : null);
    if (ticket === null) return null;
    const ways = chooseWays({ ...this.#knowledge(), transport: this.#options.transport });
    if (ways.length > 0) return { ways, ticket, directFailed: false };
    this.#wallet.discard(ticket);
    this.#call.postpone(now, 0);
    return null;
  }

  #dial(way: Way, ticket: string, avoid: readonly string[]): Dial {
    this.#dialsMade += 1;
    const id = this.#dialsMade;
    this.#actions.push({ kind: 'dial', id, ...way, ticket, avoid });
    return { id, way, ticket, era: this.#grantEra };
  }

  /** Starts at most one better dial; true when that would take a first call. */
  #improve(now: number, wakes: number[]): boolean {
    if (this.#slots.some((slot) => slot.better !== null)) return false;
    for (const slot of this.#slots) {
      if (slot.up === null || !this.#couldBeBetter(slot.up)) continue;
      if (slot.improveAt > now) {
        wakes.push(slot.improveAt);
        continue;
      }
      const ticket = this.#wallet.ticket(now);
      if (ticket === null) return true;
      const others = this.#heldNodes(slot);
      const way = this.#betterWay(slot.up, others);
      if (way !== null) {
        slot.better = this.#dial(way, ticket, this.#avoided(slot.up, way, others));
        return false;
      }
      if (this.#wallet.ageMs(now) > KeeperTiming.spreadMs / 2) {
        this.#wallet.spendTicket();
        return true;
      }
      const { spreadMs: soon, singleNodeMs } = KeeperTiming;
      slot.improveAt = now + this.#around(this.#wallet.nodes.length > 1 ? soon : singleNodeMs);
      wakes.push(slot.improveAt);
    }
    return false;
  }

  /** A former token opened it. */
  #isStale(up: Up): boolean {
    return up.era < this.#era;
  }

  #couldBeBetter(up: Up): boolean {
    if (this.#isStale(up) || up.leaving) return true;
    if (up.transport === 'websocket' && this.#options.transport === 'auto') return true;
    const older = this.#slots.flatMap((slot) =>
      slot.up !== null && slot.up.id < up.id ? [slot.up.node] : [],
    );
    return older.includes(up.node) || (up.transport === 'direct' && this.#sharesZone(up.node, older));
  }

  /** Whether the node is in the failure domain of one of these, while another domain has none of our tunnels. */
  #sharesZone(node: string, others: readonly string[]): boolean {
    const zone = this.#zoneOf(node);
    return zone !== '' && others.some((other) => this.#zoneOf(other) === zone) && this.#freeZone() !== null;
  }

  /** A node in a failure domain that has none of our tunnels. */
  #freeZone(): NodeAddress | null {
    const held = new Set(this.#heldNodes(null).map((node) => this.#zoneOf(node)));
    return this.#wallet.nodes.find(({ zone }) => zone !== '' && !held.has(zone)) ?? null;
  }

  #zoneOf(node: string): string {
    return this.#wallet.nodes.find((address) => address.node === node)?.zone ?? '';
  }

  /** The nodes that a better tunnel must not end at. */
  #avoided(up: Up, way: Way, others: readonly string[]): readonly string[] {
    if (up.leaving) return [up.node];
    return way.transport === up.transport && !this.#isStale(up) ? others : [];
  }

  #betterWay(up: Up, others: string[]): Way | null {
    const ranked = rankAddresses({ ...this.#knowledge(others), transport: 'direct' });
    const [best] = ranked;
    if (this.#isStale(up)) {
      // The same way once more: nothing moves but the token.
      if (up.transport === 'websocket') return { transport: 'websocket', address: null };
      const address = ranked.find(({ node }) => node === up.node) ?? best;
      return address === undefined ? null : { transport: 'direct', address };
    }
    if (up.leaving) {
      if (up.transport === 'websocket') return { transport: 'websocket', address: null };
      // In a hurry any node that can be reached is better than the best one that cannot.
      const away = ranked.filter(({ node }) => node !== up.node);
      const address = away.find((one) => !this.#failedAt.has(addressKey(one))) ?? away[0];
      return address === undefined ? null : { transport: 'direct', address };
    }
    if (up.transport === 'websocket' && this.#options.transport === 'auto') {
      return best === undefined ? null : { transport: 'direct', address: best };
    }
    if (new Set(ranked.map(({ node }) => node)).size < 2) return null;
    if (up.transport === 'websocket') return { transport: 'websocket', address: null };
    const free = others.includes(up.node)
      ? ranked.find(({ node }) => node !== up.node && !others.includes(node))
      : (this.#freeZone() ?? undefined);
    return free === undefined ? null : { transport: 'direct', address: free };
  }

  #knowledge(
    held: readonly string[] = this.#heldNodes(null),
  ): Omit<Parameters<typeof chooseWays>[0], 'transport'> {
    return {
      nodes: this.#wallet.nodes,
      held,
      failedAt: this.#failedAt,
      directIsUp: this.#slots.some((slot) => slot.up?.transport === 'direct'),
      directIsBlocked: this.#directIsBlocked,
    };
  }

  /** Nodes that have, lose or may get a tunnel of ours, but for this slot's. */
  #heldNodes(except: Slot | null): string[] {
    const slots = this.#slots.filter((slot) => slot !== except);
    const dialled = slots.flatMap((slot): (NodeAddress | null | undefined)[] => [slot.dial?.way.address]);
    return [
      ...slots.flatMap((slot) => slot.up?.node ?? []),
      ...dialled.flatMap((address) => address?.node ?? []),
      ...this.#draining.values(),
    ];
  }

  #probeWaitMs(): number {
    const { directProbeMsMin, directProbeMsMax } = KeeperTiming;
    return this.#around(
      Math.min(directProbeMsMax, directProbeMsMin * 2 ** Math.min(this.#directProbes, 16)) * 0.8,
    );
  }

  #around(targetMs: number): number {
    return spreadMs(targetMs, this.#options.random());
  }
}
