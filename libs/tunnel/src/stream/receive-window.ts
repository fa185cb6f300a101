/**
 * How far the peer may send on one stream, and when to tell it. Offsets are absolute, as in QUIC (RFC 9000,
 * section 4): one CREDIT frame is both acknowledgement ("delivered up to N") and credit ("may send up to M").
 *
 *         delivered        received               limit
 *             v               v                     v
 *     ────────[ in our memory | may still come      ]
 *             └──────────── window ────────────────┘   taken from the budgets when it is given
 *
 * The window doubles (on a long way, while it is small, grows fourfold) while the peer uses up half of it in less than two
 * of the shortest round trips of late: then it is the window that holds the stream up, not the reader. Credit given cannot be
 * taken back, so a window shrinks by not being renewed, and never below the floor that the stream took at its start.
 *
 * Over a relay nobody knows the round trip of the whole way. No byte above a limit can come before one has passed since
 * the limit was raised; the shortest time that it took of late is taken for it. A sender that is slow takes longer, so a
 * longer time than what is known counts only where the sender had used up its credit and nothing came for most of it.
 */
import type { Budget } from '../memory/budget.ts';
import { payloadBytesMax } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { ShortestTrip } from '../session/shortest-trip.ts';

/** On a way as long as this a window grows fourfold at a time up to here: each step costs a round trip. */
const longWayMs = 5;
const fastGrowthBytesMax = 16 * 1024 * 1024;
/**
 * The peer hears of this much at once, however large the window is: it would else wait for credit when no more than half
 * of its window is under way.
 */
const untoldBytesMax = 1024 * 1024;
/**
 * And of this part of what it was given: a little less than half. Frames are whole, and where they just did not make up a
 * half a timer told of it, late, as of something that nobody waits for.
 */
const dueShare = 7 / 16;
/** The part of what is above floors that only streams get which use up what they have. */
const keptForNeed = 1 / 4;

/** One for each end of a stream, and for each side of a relay. */
export class ReceiveWindow {
  received = 0;
  delivered = 0;
  limit = 0;
  /** What was last said to the peer as delivered. */
  acknowledged = 0;
  readonly #limits: Limits;
  readonly #bytesMax: number;
  #budget: Budget;
  /** What is taken from the budget now; at least the floor. */
  #reserved: number;
  #window: number;
  /** Since when, and from which offset on, half a window is being used up. */
  #halfAt = 0;
  #halfFrom = 0;
  /** Where bytes begin that cannot have been sent before `#raisedAt`; null when they have come. */
  #raisedFrom: number | null = null;
  #raisedAt = 0;
  /** The times after which such bytes were seen. */
  #creditTrip = new ShortestTrip();
  /** What had been received when the peer was last told, and when that was. */
  #seen = 0;
  #seenAt = 0;

  /** The caller has taken `floorBytes` from the budget; this hands it back with `release`. It grows up to `bytesMax`. */
  constructor(limits: Limits, budget: Budget, bytesMax: number = limits.windowBytesMax) {
    this.#limits = limits;
    this.#bytesMax = bytesMax;
    this.#budget = budget;
    this.#reserved = limits.floorBytes;
    this.#window = Math.min(limits.windowBytesInitial, bytesMax);
  }

  get window(): number {
    return this.#window;
  }

  /** Gives the first window: the floor alone to a stream that was not accepted yet. Call it once, or twice with the floor first. */
  start(floorOnly: boolean): number {
    this.#raise(this.received, floorOnly ? 0 : this.#share());
    return this.limit;
  }

  /** What comes begins at `offset`: gives the window from there on. */
  startAt(offset: number): number {
    this.received = this.delivered = this.acknowledged = this.limit = offset;
    return this.start(false);
  }

  /** Whether so much of what the peer was given has been delivered that it should hear of it at once. */
  get due(): boolean {
    const untold = this.delivered - this.acknowledged;
    return untold > 0 && untold >= Math.min(untoldBytesMax, (this.limit - this.acknowledged) * dueShare);
  }

  /**
   * Raises the limit as far as window and budgets allow and returns it. `roundTripMs` is the shortest of the way to the
   * sender, or null where that is not known.
   */
  renew(now: number, roundTripMs: number | null): number {
    const { due } = this;
    this.#measure(now);
    const used = this.delivered - this.#halfFrom >= this.#window / 2;
    if (used) this.#grow(now - this.#halfAt, roundTripMs);
    if (used || !due) {
      this.#halfAt = now;
      this.#halfFrom = this.delivered;
    }
    const former = this.limit;
    const above = this.#reserved - this.#limits.floorBytes;
    const needsMore = due || this.#window > this.#limits.windowBytesInitial;
    const moreMax = needsMore ? Math.floor(this.#budget.spare() / 2) : Math.max(0, this.#share() - above);
    this.#raise(this.delivered, moreMax);
    if (this.#raisedFrom === null && this.limit > former) {
      this.#raisedFrom = former;
      this.#raisedAt = now;
    }
    return this.limit;
  }

  #grow(usedInMs: number, roundTripMs: number | null): void {
    const tripMs = roundTripMs ?? this.#creditTrip.ms;
    if (tripMs === null || usedInMs >= 2 * tripMs) return;
    const isLong = roundTripMs !== null && roundTripMs >= longWayMs;
    const factor = isLong && this.#window < fastGrowthBytesMax ? 4 : 2;
    this.#window = Math.min(this.#window * factor, this.#bytesMax);
  }

  #measure(now: number): void {
    const from = this.#raisedFrom;
    if (from !== null && this.received > from) {
      const tripMs = now - this.#raisedAt;
      const beside = this.#hasWaited(from, tripMs, now) ? this.#window : Number.POSITIVE_INFINITY;
      this.#creditTrip.add(tripMs, beside, now);
      this.#raisedFrom = null;
    }
    this.#seen = this.received;
    this.#seenAt = now;
  }

  /**
   * Whether the sender had used up all but what is less than a frame, and then nothing came for most of the trip: while
   * something comes the peer is told each `acknowledgeDelayMs`.
   */
  #hasWaited(from: number, tripMs: number, now: number): boolean {
    const restedMs = now - this.#seenAt;
    const { acknowledgeDelayMs } = this.#limits;
    return (
      from - this.#seen < payloadBytesMax && restedMs >= tripMs / 2 && restedMs >= 2 * acknowledgeDelayMs
    );
  }

  /**
   * Starts anew on another path, with the budget of its session: a limit counts for one path. Returns false, and changes
   * nothing, where that has no floor left besides what this stream has of it.
   */
  restart(budget: Budget, floorOnly: boolean): boolean {
    const { floorBytes } = this.#limits;
    this.#budget.give(this.#reserved, floorBytes);
    if (!budget.take(floorBytes)) {
      this.#budget.take(floorBytes);
      this.#budget.takeUpTo(this.#reserved - floorBytes);
      return false;
    }
    this.#budget = budget;
    // What has come and was not delivered is in memory still, and counts on.
    const kept = Math.max(0, this.received - this.delivered - floorBytes);
    this.#reserved = floorBytes + budget.takeUpTo(kept);
    this.limit = this.received;
    this.#raisedFrom = null;
    this.#creditTrip = new ShortestTrip();
    this.start(floorOnly);
    return true;
  }

  /** Hands everything back; again, nothing. */
  release(): void {
    if (this.#reserved === 0) return;
    this.#budget.give(this.#reserved, this.#limits.floorBytes);
    this.#reserved = 0;
  }

  /**
   * What a stream that has yet to prove that it needs it has above the floor: less as the budget grows small, so that
   * thousands of streams that carry little do not hold all of it.
   */
  #share(): number {
    return Math.min(this.#limits.windowBytesInitial, Math.floor(this.#budget.spare(keptForNeed) / 256));
  }

  #raise(from: number, moreMax: number): void {
    const outstanding = Math.max(this.#limits.floorBytes, this.limit - this.delivered);
    if (outstanding < this.#reserved) {
      this.#budget.give(this.#reserved - outstanding);
      this.#reserved = outstanding;
    }
    const more = from + this.#window - this.delivered - this.#reserved;
    if (more > 0) this.#reserved += this.#budget.takeUpTo(Math.min(more, moreMax));
    this.limit = Math.max(this.limit, Math.min(from + this.#window, this.delivered + this.#reserved));
  }
}
