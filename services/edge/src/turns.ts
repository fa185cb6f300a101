/**
 * Who is served when more clients come than this process has time for. After a node's death thousands come at once; were
 * all of their handshakes begun, none would be over before its client had given up, and the work would be for nothing.
 *
 *     first bytes there ──► waiting ──turn──► at work ──► over
 *        (silent ones are    │                  └─ no progress for stalledMs ──► back among those that the gate may cut
 *         the gate's)        └─ waitMsMax, or too many wait ──► refused: the client comes back after a wait of its own
 *
 * At most `atOnceMax` are at work, and fewer each time that this process is late, down to `atOnceMin`: then each is over
 * sooner. Tunnels go before first calls, because who has a ticket has had a first call already. The clock by which a handshake stalls stands still while this process is late itself: who waits for us is not slow.
 */

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
const waitMsMaxDefault = 2_000;
const stalledMsDefault = 500;

/** One for all ports at which clients come. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #now: () => number;
  readonly #working = new Set<Entry>();
  readonly #waiting: Record<TurnKind, Set<Entry>> = { tunnel: new Set(), call: new Set() };
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #healthyMs = 0;
  #atOnce: number;

  constructor(options: TurnsOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
    this.#atOnce = options.atOnceMax;
  }

  /** How many are at work, and how many wait. */
  get counts(): { working: number; waiting: number } {
    return { working: this.#working.size, waiting: this.#waiting.tunnel.size + this.#waiting.call.size };
  }

  /** Asks for a turn; `begin` may be called before this returns. */
  take(kind: TurnKind, events: TurnEvents): Turn {
    const entry: Entry = { kind, events, cameAt: this.#now(), beganAt: 0 };
    if (this.#waiting[kind].size >= this.#options.waitingMax) {
      events.refuse();
      return { end: () => {}, stall: () => {} };
    }
    this.#waiting[kind].add(entry);
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
      this.#working.delete(entry);
      entry.events.stall();
    }
    for (const waiting of Object.values(this.#waiting)) {
      for (const entry of waiting) {
        if (now - entry.cameAt < waitMsMax) break;
        waiting.delete(entry);
        entry.events.refuse();
      }
    }
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
    const wasWorking = this.#working.delete(entry);
    this.#waiting[entry.kind].delete(entry);
    if (wasWorking) this.#next();
  }

  #stall(entry: Entry): void {
    if (!this.#working.delete(entry)) return;
    entry.events.stall();
    this.#next();
  }

  #next(): void {
    while (this.#working.size < this.#atOnce) {
      const [entry] = this.#waiting.tunnel.size > 0 ? this.#waiting.tunnel : this.#waiting.call;
      if (entry === undefined) return;
      this.#waiting[entry.kind].delete(entry);
      entry.beganAt = this.#healthyMs;
      this.#working.add(entry);
      entry.events.begin();
    }
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#tickedAt = this.#now();
    this.#timer = setInterval(() => this.tick(), tickMs).unref();
  }
}
