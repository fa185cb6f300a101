/**
 * Keeps one gateway's tunnels up: decides when to make the first call, which way to dial, what to replace and what to
 * let go. A state machine without IO: events and the time go in, actions come out, and `wakeAt` says when it wants to
 * be stepped again at the latest. It knows nothing of sockets, streams, tokens or logs.
 *
 *   slot:  idle ──dial──► dialling ──dialUp──► up ──tunnelDown, tunnelDraining──► idle
 *           │  ▲              │                 └─ better dial ─ dialUp: new one up, then the old one drained
 *           ▼  └── next way, or a new first call ◄── dialFailed
 *         needs a ticket ──► call ──callAnswered──► dial
 *                                 └─callFailed────► dial with the ticket that was, or the reserve ticket, or wait
 *
 * Invariants: at most `tunnels` slots, one call and one better dial at a time; a slot waits at most 5 s between two
 * tries unless the platform asked for more by Retry-After; a tunnel is drained only when its replacement is up.
 *
 * Another token begins another era. What an earlier one opened stays until its replacement is up, one after the other, so
 * a token is changed without a cut, and one that is refused takes nothing away.
 */
import type { NodeAddress } from '@postern/contracts';
import { spreadMs, waitMs } from './backoff.ts';
import { type Grant, Wallet } from '../platform/grant.ts';
import type { KeeperAction, KeeperEvent, KeeperOptions } from './keeper-event.ts';
import { type Dial, type Round, type Slot, makeRound, makeSlot } from './keeper-slot.ts';
import { Placement } from './placement.ts';
import { type Transport, type Way, addressKey } from './route-choice.ts';
import { TryGate } from './try-gate.ts';

/** Waits that are not a retry's. */
const KeeperTiming = {
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

/** The state machine for one gateway. */
export class TunnelKeeper {
  readonly #options: KeeperOptions;
  readonly #wallet = new Wallet();
  readonly #slots: Slot[];
  readonly #placement: Placement;
  #actions: KeeperAction[] = [];
  #wakeAt: number | null = 0;
  #dialsMade = 0;
  readonly #try: TryGate;
  #mayUseReserve = false;
  #everUp = false;
  #over = false;
  #directProbes = 0;
  #spreadTries = 0;
  /** How often the token was changed; of the last first call, and of the tickets that there are. */
  #era = 0;
  #callEra = 0;
  #grantEra = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#try = new TryGate(options.random);
    this.#slots = Array.from({ length: options.tunnels }, makeSlot);
    this.#placement = new Placement(options.transport, this.#wallet, this.#slots);
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
    this.#try.hurry(now);
    for (const slot of this.#slots) {
      slot.improveAt = now;
      if (slot.up !== null) slot.up.stale = true;
    }
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
    this.#try.endCall();
    this.#mayUseReserve = false;
    // It is for a token that has been changed since: the call is made anew.
    if (this.#callEra < this.#era) return;
    this.#grantEra = this.#callEra;
    this.#wallet.take(grant, now);
    this.#placement.prune();
  }

  #handleCallFailed(cause: 'refused' | 'unanswered', retryAfterMs: number, now: number): void {
    this.#try.endCall();
    if (cause === 'refused') this.#wallet.discardAll();
    else this.#wallet.revive(now);
    this.#mayUseReserve = cause === 'unanswered';
    this.#try.postpone(now, retryAfterMs);
    // One that was made with a former token says nothing of this one.
    if (this.#callEra < this.#era) return;
    const wait = this.#waitForBetterMs(true);
    for (const slot of this.#slots)
      if (slot.up?.leaving === false) slot.improveAt = Math.max(slot.improveAt, now + wait);
  }

  #handleUp(id: number, node: string, now: number): void {
    const slot = this.#slots.find((one) => one.dial?.id === id || one.better?.id === id);
    const dial = slot?.dial?.id === id ? slot.dial : slot?.better;
    if (slot === undefined || dial === null || dial === undefined) return;
    const { transport } = dial.way;
    // The token may have been changed once more while it was dialled.
    const stale = dial.era < this.#era;
    if (transport === 'websocket' && slot.round?.directFailed === true)
      this.#placement.directIsBlocked = true;
    this.#placement.note(dial.way, null);
    if (slot.up !== null) {
      this.#placement.draining.set(slot.up.id, slot.up.node);
      this.#actions.push({ kind: 'drain', id: slot.up.id });
    }
    Object.assign(slot, {
      dial: null,
      better: null,
      round: null,
      up: { id, node, transport, since: now, stale, leaving: false },
    });
    this.#try.handleUp();
    this.#everUp = true;
    if (transport === 'direct') this.#handleDirectWorks(now);
    slot.improveAt =
      now + (transport === 'websocket' ? this.#probeWaitMs() : waitMs(0, this.#options.random()));
    if (stale) slot.improveAt = now;
    this.#spreadTries = 0;
  }

  #handleDirectWorks(now: number): void {
    this.#placement.directIsBlocked = false;
    this.#directProbes = 0;
    for (const slot of this.#slots) if (slot.up?.transport === 'websocket') slot.improveAt = now;
  }

  #handleDialFailed(event: KeeperEvent & { kind: 'dialFailed' }, now: number): void {
    const { id, cause, retryAfterMs } = event;
    for (const slot of this.#slots) {
      const dial = slot.dial?.id === id ? slot.dial : slot.better?.id === id ? slot.better : null;
      if (dial === null) continue;
      const { transport } = dial.way;
      if (cause === 'ticketRefused') this.#wallet.discard(dial.ticket);
      if (cause !== 'ticketRefused' && cause !== 'sameNode') this.#placement.note(dial.way, now);
      if (dial === slot.better) {
        slot.better = null;
        return this.#handleBetterFailed(transport, slot, cause, now);
      }
      slot.dial = null;
      // What was to be better, and whose tunnel ended meanwhile, is a round of one way.
      const round = (slot.round ??= makeRound([], dial.ticket, dial.era));
      round.directFailed ||= transport === 'direct';
      if (cause === 'unfit' || cause === 'ticketRefused') round.heard = 'unfit';
      else if (cause === 'busy' && round.heard === 'nothing') round.heard = 'busy';
      round.retryAt = Math.max(round.retryAt, now + retryAfterMs);
      if (cause === 'ticketRefused' || round.ways.length === 0) this.#endRound(slot, round, now);
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
    // A way that does not tell nodes apart is no reason for haste; a node that is away may be back any moment, and its
    // callers wait for it.
    const wait = this.#waitForBetterMs(cause === 'sameNode' || cause === 'ticketRefused');
    for (const one of this.#slots) if (one.up !== null) one.improveAt = Math.max(one.improveAt, now + wait);
  }

  /** The wait after one more try for a better tunnel in vain; what leads nowhere is tried in haste a few times only. */
  #waitForBetterMs(leadsNowhere: boolean): number {
    this.#spreadTries += 1;
    if (leadsNowhere && this.#spreadTries >= KeeperTiming.spreadTriesMax)
      return this.#around(KeeperTiming.spreadMs);
    return waitMs(this.#spreadTries, this.#options.random());
  }

  /**
   * The round is over without a tunnel. Where nobody was there, what it knew may be stale, and the next one begins with a
   * first call, unless none is answered. A node that is there and has no time will take the same ticket later.
   */
  #endRound(slot: Slot, { heard, ticket, retryAt }: Round, now: number): void {
    slot.round = null;
    this.#try.postponeForRound(now, Math.max(0, retryAt - now));
    if (heard === 'unfit' || (heard === 'nothing' && !this.#wallet.isKept(now))) {
      this.#wallet.spend(ticket);
      this.#mayUseReserve = false;
    }
    if (this.#ticket(now) !== null) slot.notBefore = this.#try.notBefore;
  }

  #handleGone(id: number, draining: boolean, now: number): void {
    this.#placement.draining.delete(id);
    const slot = this.#slots.find((one) => one.up?.id === id);
    if (slot === undefined || slot.up === null) return;
    if (draining) this.#placement.draining.set(id, slot.up.node);
    slot.flaps = now - slot.up.since < KeeperTiming.flapMs ? slot.flaps + 1 : 0;
    slot.notBefore = now + waitMs(slot.flaps, this.#options.random());
    slot.up = null;
    slot.dial = slot.better;
    slot.better = null;
    this.#directProbes = 0;
    this.#mayUseReserve = false;
    this.#try.hurry(slot.notBefore);
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
    if ((needsCall || wantsCall) && !this.#try.callInFlight) {
      if (this.#try.notBefore <= now) this.#startCall(needsCall);
      else wakes.push(this.#try.notBefore);
    }
    this.#wakeAt = wakes.length === 0 ? null : Math.min(...wakes);
  }

  #startCall(needed: boolean): void {
    this.#try.startCall(needed);
    this.#callEra = this.#era;
    this.#actions.push({ kind: 'call' });
  }

  /** Used up only when nothing is up or under way, so that a late success is never thrown away. */
  #isUsedUp(): boolean {
    const { reconnect } = this.#options;
    if (reconnect < 0 || this.#try.callInFlight) return false;
    if (this.#slots.some((slot) => slot.up !== null || slot.dial !== null)) return false;
    return this.#try.countSinceUp >= reconnect + (this.#everUp ? 0 : 1);
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
    slot.dial = this.#dial(way, slot.round.ticket, [], slot.round.era);
    return true;
  }

  #beginRound(now: number): Slot['round'] {
    const ticket = this.#ticket(now);
    if (ticket === null || (this.#try.roundFailed && this.#isUsedUp())) return null;
    const ways = this.#placement.ways();
    if (ways.length > 0) {
      this.#try.startRound();
      return makeRound(ways, ticket, this.#grantEra);
    }
    this.#wallet.discard(ticket);
    this.#try.postpone(now, 0);
    return null;
  }

  #ticket(now: number): string | null {
    return this.#wallet.ticket(now) ?? (this.#mayUseReserve ? this.#wallet.reserve(now) : null);
  }

  #dial(way: Way, ticket: string, avoid: readonly string[], era = this.#grantEra): Dial {
    this.#dialsMade += 1;
    const id = this.#dialsMade;
    this.#actions.push({ kind: 'dial', id, ...way, ticket, avoid });
    return { id, way, ticket, era };
  }

  /** Starts at most one better dial; true when that would take a first call. */
  #improve(now: number, wakes: number[]): boolean {
    if (this.#slots.some((slot) => slot.better !== null)) return false;
    for (const slot of this.#slots) {
      if (slot.up === null || !this.#placement.couldBeBetter(slot.up)) continue;
      if (slot.improveAt > now) {
        wakes.push(slot.improveAt);
        continue;
      }
      const ticket = slot.up.leaving ? this.#ticket(now) : this.#wallet.ticket(now);
      if (ticket === null) return true;
      const better = this.#placement.better(slot, slot.up);
      if (better !== null) {
        slot.better = this.#dial(better.way, ticket, better.avoid);
        return false;
      }
      if (this.#wallet.ageMs(now) > KeeperTiming.spreadMs / 2) {
        this.#wallet.spend(ticket);
        return true;
      }
      const { spreadMs: soon, singleNodeMs } = KeeperTiming;
      slot.improveAt = now + this.#around(this.#wallet.nodes.length > 1 ? soon : singleNodeMs);
      wakes.push(slot.improveAt);
    }
    return false;
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
