/**
 * How far the peer may send on one stream, and when to tell it. Offsets are absolute, as in QUIC (RFC 9000,
 * section 4): one CREDIT frame is both acknowledgement ("delivered up to N") and credit ("may send up to M").
 *
 *         delivered        received               limit
 *             v               v                     v
 *     ────────[ in our memory | may still come      ]
 *             └──────────── window ────────────────┘   taken from the budgets when it is given
 *
 * The window doubles each time that the peer says BLOCKED while the reader has nothing left to do: then it is the window
 * that holds the stream up, not the reader, however long the way is and whoever keeps it waiting. But not before half of it
 * was used since the last time: nobody gets more for the asking. Credit given cannot be
 * taken back, so a window shrinks by not being renewed, and never below the floor that the stream took at its start.
 */
import type { Budget } from './budget.ts';
import { payloadBytesMax, type Limits } from './limit.ts';

/** The part of what is above floors that only streams get which use up what they have. */
const keptForNeed = 1 / 4;

/** One for each direction of a stream's end, and of a relay. */
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
  /** The peer waits for credit, and nothing has come since it said so. */
  #blocked = false;
  /** It was found too small since it was renewed. */
  #isHeldUp = false;
  /** What had been received when the window grew last. */
  #grownAt = 0;

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
    this.received = this.delivered = this.acknowledged = this.limit = this.#grownAt = offset;
    return this.start(false);
  }

  /** Whether so much of what the peer was given has been delivered that it should hear of it at once. */
  get due(): boolean {
    const given = this.limit - this.acknowledged;
    return this.delivered > this.acknowledged && this.limit - this.delivered <= given / 2;
  }

  /** Bytes have come that had not come before. */
  receive(bytes: number): void {
    this.received += bytes;
    this.#blocked = false;
  }

  /** Bytes have left this process. Returns whether the peer should hear of it at once. */
  deliver(bytes: number): boolean {
    this.delivered += bytes;
    return (this.#blocked && this.#grow()) || this.due;
  }

  /** The peer has more to send than it has credit for. Returns whether it is to be given more at once. */
  block(): boolean {
    this.#blocked = true;
    return this.#grow();
  }

  /** Raises the limit as far as window and budgets allow and returns it. */
  renew(): number {
    const above = this.#reserved - this.#limits.floorBytes;
    const isUsed = this.due || this.#isHeldUp;
    this.#isHeldUp = false;
    this.acknowledged = this.delivered;
    const moreMax = isUsed ? Math.floor(this.#budget.spare() / 4) : Math.max(0, this.#share() - above);
    this.#raise(this.delivered, moreMax);
    return this.limit;
  }

  #grow(): boolean {
    if (this.delivered < this.received) return false;
    this.#blocked = false;
    // A peer that waits may keep back a frame that its credit would cut.
    if (this.received - this.#grownAt + payloadBytesMax < this.#window >> 1) return false;
    this.#grownAt = this.received;
    this.#isHeldUp = true;
    this.#window = Math.min(2 * this.#window, this.#bytesMax);
    return true;
  }

  /** Starts anew on another path, on whose session's budget the floor has been taken: a limit counts for one path. */
  restart(budget: Budget, floorOnly: boolean): number {
    this.#budget.give(this.#reserved, this.#limits.floorBytes);
    this.#budget = budget;
    // What has come and was not delivered is in memory still, and counts on.
    const kept = Math.max(0, this.received - this.delivered - this.#limits.floorBytes);
    this.#reserved = this.#limits.floorBytes + budget.takeUpTo(kept);
    this.limit = this.received;
    this.#blocked = false;
    return this.start(floorOnly);
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
