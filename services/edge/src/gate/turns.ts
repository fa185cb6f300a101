/**
 * Who is served when more clients come than this process has time for. After a node's death thousands come at once; were
 * all of their handshakes begun, none would be over before its client had given up, and the work would be for nothing.
 *
 *     first bytes there ──► waiting ──turn──► at work ──► over
 *        (silent ones are    │                  └─ no progress for stalledMs ──► back among those that the gate may cut
 *         the gate's)        └─ waitMsMax, or too many wait ──► refused: the client comes back after a wait of its own
 *
 * While fewer than a quarter are at work, one that has said nothing yet may have a turn too (`areFree`), for as long as any
 * that makes no progress.
 *
 * At most `atOnceMax` are at work, and fewer each time that this process is late, down to `atOnceMin`: then each is over
 * sooner. Tunnels go before first calls, because who has a ticket has had a first call already; every fourth turn is a
 * call's while calls wait. The clock by which a handshake stalls stands still while this process is late itself: who
 * waits for us is not slow.
 *
 * A whole first record proves nothing of who sends it, so no address may shut out the others: it waits in at most half of
 * the places that they leave, the addresses that wait have their turns one after another, and one that has half of the
 * turns gets more only while no other waits. So a fleet behind one address has all of them when it is alone.
 */
import { Counts, addressGroup } from '@postern/share';

/** What it is for. */
export type TurnKind = 'tunnel' | 'call';

/** The bounds. */
export interface TurnsOptions {
  atOnceMax: number;
  waitingMax: number;
  waitMsMax?: number;
  stalledMs?: number;
}

/** What happens to who asked. Each is called at most once; `stall` after `begin`. */
export interface TurnEvents {
  /** Its handshake begins. */
  begin(): void;
  /** It is not its turn in time. */
  refuse(): void;
  /** It has made no progress; it has no turn any more. */
  stall(): void;
}

/** A place in the row. */
export interface Turn {
  /** It is over. Twice is harmless. */
  end(): void;
  /** It has had its turn and is not over: `stall` is told, as where it makes no progress. */
  stall(): void;
}

interface Entry {
  readonly kind: TurnKind;
  readonly group: string;
  readonly events: TurnEvents;
  readonly cameAt: number;
  /** By the clock that stands still. */
  beganAt: number;
}

const tickMs = 50;
const atOnceMin = 32;
/** What is left of the number at once after a late tick, and what each other one adds. */
const lateFactor = 0.7;
const recoveredStep = 2;
/** Turns are free until one in so many is taken. */
const freeFactor = 4;
/** So many tunnels before a call that waits. */
const tunnelsInRowMax = 3;
const waitMsMaxDefault = 2_000;
const stalledMsDefault = 500;

/** One for all ports at which clients come. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #now: () => number;
  readonly #working = new Set<Entry>();
  /** How many of those each address has. */
  readonly #workingOf = new Counts();
  readonly #waiting: Record<TurnKind, Row>;
  #tunnelsInRow = 0;
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #healthyMs = 0;
  #atOnce: number;

  constructor(options: TurnsOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
    this.#atOnce = options.atOnceMax;
    this.#waiting = { tunnel: new Row(options.waitingMax), call: new Row(options.waitingMax) };
  }

  /** How many are at work, and how many wait. */
  get counts(): { working: number; waiting: number } {
    return { working: this.#working.size, waiting: this.#waiting.tunnel.size + this.#waiting.call.size };
  }

  /** Whether so few are at work that one who has not shown anything may have a turn. */
  get areFree(): boolean {
    return freeFactor * this.#working.size < this.#atOnce;
  }

  /** Asks for a turn for who comes from this address; `begin` may be called before this returns. */
  take(kind: TurnKind, address: string, events: TurnEvents): Turn {
    const group = addressGroup(address);
    const entry: Entry = { kind, group, events, cameAt: this.#now(), beganAt: 0 };
    if (!this.#waiting[kind].add(entry)) {
      events.refuse();
      return { end: () => {}, stall: () => {} };
    }
    this.#arm();
    this.#next();
    return { end: () => this.#end(entry), stall: () => this.#stall(entry) };
  }

  /** Looks at the time; by itself every 50 ms while anybody is here. */
  tick(): void {
    const now = this.#now();
    const elapsed = now - this.#tickedAt;
    this.#tickedAt = now;
    this.#noteTick(elapsed);
    const { waitMsMax = waitMsMaxDefault, stalledMs = stalledMsDefault } = this.#options;
    for (const entry of this.#working) {
      if (this.#healthyMs - entry.beganAt < stalledMs) break;
      this.#leaveWork(entry);
      entry.events.stall();
    }
    for (const row of Object.values(this.#waiting))
      for (const entry of row.takeLate(now - waitMsMax)) entry.events.refuse();
    this.#next();
    if (this.#working.size + this.#waiting.tunnel.size + this.#waiting.call.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #noteTick(elapsed: number): void {
    const { atOnceMax } = this.#options;
    if (elapsed < 2 * tickMs) {
      this.#healthyMs += elapsed;
      this.#atOnce = Math.min(atOnceMax, this.#atOnce + recoveredStep);
    } else this.#atOnce = Math.max(Math.min(atOnceMin, atOnceMax), Math.floor(this.#atOnce * lateFactor));
  }

  #end(entry: Entry): void {
    this.#waiting[entry.kind].delete(entry);
    if (this.#leaveWork(entry)) this.#next();
  }

  #stall(entry: Entry): void {
    if (!this.#leaveWork(entry)) return;
    entry.events.stall();
    this.#next();
  }

  #next(): void {
    while (this.#working.size < this.#atOnce) {
      const entry = this.#pick();
      if (entry === undefined) return;
      this.#tunnelsInRow = entry.kind === 'call' ? 0 : this.#tunnelsInRow + 1;
      entry.beganAt = this.#healthyMs;
      this.#enterWork(entry);
      entry.events.begin();
    }
  }

  /** Who is next, out of the row; an address that has half of the turns only where no other waits. */
  #pick(): Entry | undefined {
    const { tunnel, call } = this.#waiting;
    const [first, second] = this.#tunnelsInRow < tunnelsInRowMax ? [tunnel, call] : [call, tunnel];
    const mayHaveMore = (group: string): boolean => 2 * this.#workingOf.of(group) < this.#atOnce;
    return first.take(mayHaveMore) ?? second.take(mayHaveMore) ?? first.take() ?? second.take();
  }

  #enterWork(entry: Entry): void {
    this.#working.add(entry);
    this.#workingOf.add(entry.group);
  }

  /** False when it was not at work. */
  #leaveWork(entry: Entry): boolean {
    if (!this.#working.delete(entry)) return false;
    this.#workingOf.remove(entry.group);
    return true;
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#tickedAt = this.#now();
    this.#timer = setInterval(() => this.tick(), tickMs).unref();
  }
}

/** Those of one kind that wait, by address. */
class Row {
  readonly #max: number;
  readonly #groups = new Map<string, Set<Entry>>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** False when its address waits in half of the places that others leave. */
  add(entry: Entry): boolean {
    const peers = this.#groups.get(entry.group) ?? new Set<Entry>();
    const othersLeave = this.#max - (this.#size - peers.size);
    if (2 * peers.size >= othersLeave) return false;
    this.#groups.set(entry.group, peers.add(entry));
    this.#size += 1;
    return true;
  }

  delete(entry: Entry): void {
    const peers = this.#groups.get(entry.group);
    if (peers?.delete(entry) !== true) return;
    this.#size -= 1;
    if (peers.size === 0) this.#groups.delete(entry.group);
  }

  /** Takes out the first of the first address that may; that address is the last one then. */
  take(may: (group: string) => boolean = () => true): Entry | undefined {
    for (const [group, peers] of this.#groups) {
      if (!may(group)) continue;
      for (const entry of peers) {
        this.#groups.delete(group);
        this.#groups.set(group, peers);
        this.delete(entry);
        return entry;
      }
    }
    return undefined;
  }

  /** Takes out those that came no later. */
  takeLate(cameAtMax: number): Entry[] {
    const all = [...this.#groups.values()].flatMap((peers) => [...peers]);
    const late = all.filter(({ cameAt }) => cameAt <= cameAtMax);
    for (const entry of late) this.delete(entry);
    return late;
  }
}
