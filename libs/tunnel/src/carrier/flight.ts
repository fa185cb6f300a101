/**
 * How much of a session's bytes is on its way: with the carrier, in the system's buffers, on the wire, not yet
 * read by the peer, who tells with RECEIVED what it has read.
 *
 *      sent ────── in flight ────── read by the peer
 *        │                              │
 *     ───┴──────────────────────────────┴─── bytes of the carrier
 *
 * The system takes megabytes of bulk before it says "full", and a request or an answer that comes next waits
 * behind all of them. So while short pieces are sent beside bulk, bulk keeps to a limit: what the path takes in
 * one round trip and some more, so that the way is full and the queue before it short. Without short pieces
 * there is no limit, and a busy machine may leave a process waiting without a gap in the flow.
 */

/** A piece up to this size that leaves nothing behind it is a request, an answer or a keystroke. */
export const shortBytesMax = 4_096;
/** The peer says what it has read each time it has read this much more; less than bulk may always have in flight. */
const tellBytes = 65_536;
/** Bulk may always have this much in flight. */
const flightBytesMin = 98_304;
/** Behind this much a short piece would wait: that begins a conversation. Less would be begun by bulk's own small ends. */
const busyBytesMin = 393_216;
/** How long after a short piece bulk keeps to the limit. */
const shortHoldMs = 2_000;
/** Short pieces within one of these count once, and this many make a conversation: bulk itself begins and ends with a few. */
const shortSlotMs = 50;
const shortSlotsMin = 3;
/** A rate is measured over at least this long. */
const measureMsMin = 10;
/** A rate that is not reached again counts less with each measure. */
const rateKept = 0.95;
/** More than the path holds in one round trip, so that the rate can be seen to grow. */
const gain = 1.25;

/** Whether short pieces go beside bulk now. One for all sessions of a process, because they share its processor. */
export class ShortTraffic {
  #at = Number.NEGATIVE_INFINITY;
  #slots = 0;

  /** A short piece went out while bulk was in flight. */
  add(now: number): void {
    const passedMs = now - this.#at;
    if (passedMs < shortSlotMs) return;
    this.#slots = passedMs > shortHoldMs ? 1 : this.#slots + 1;
    this.#at = now;
  }

  /** Whether bulk keeps to its limit. */
  isOn(now: number): boolean {
    return this.#slots >= shortSlotsMin && now - this.#at <= shortHoldMs;
  }
}

/** One per session. */
export class Flight {
  readonly #shortTraffic: ShortTraffic;
  #sent = 0;
  /** Null until the peer has told for the first time: one of an earlier version never does. */
  #read: number | null = null;
  #received = 0;
  #told = 0;
  #measuredAt = 0;
  #measuredFrom = 0;
  #bytesPerMs = 0;

  constructor(shortTraffic: ShortTraffic) {
    this.#shortTraffic = shortTraffic;
  }

  /** Bytes of both directions. */
  get carried(): number {
    return this.#sent + this.#received;
  }

  // ---- what goes out

  /** So many bytes were given to the carrier. */
  handleSent(bytes: number): void {
    this.#sent += bytes;
  }

  /** A short piece is about to go out; it matters only where it would have to wait for what is in flight. */
  handleShort(now: () => number): void {
    const inFlight = this.#inFlight;
    if (inFlight < flightBytesMin) return;
    const at = now();
    if (inFlight >= busyBytesMin || this.#shortTraffic.isOn(at)) this.#shortTraffic.add(at);
  }

  /** Bytes of bulk that may be sent now. `roundTripMs` is the shortest seen, or null. */
  room(now: number, roundTripMs: number | null): number {
    if (this.#read === null || !this.#shortTraffic.isOn(now)) return Number.POSITIVE_INFINITY;
    return flightBytesMin + gain * this.#bytesPerMs * (roundTripMs ?? 0) - this.#inFlight;
  }

  get #inFlight(): number {
    return this.#read === null ? 0 : this.#sent - this.#read;
  }

  /** RECEIVED: the peer has read all up to `bytes`. Returns false when that cannot be. */
  handleRead(bytes: number, now: number): boolean {
    if (bytes > this.#sent || bytes < (this.#read ?? 0)) return false;
    this.#read = bytes;
    const elapsedMs = now - this.#measuredAt;
    if (elapsedMs < measureMsMin) return true;
    this.#bytesPerMs = Math.max((bytes - this.#measuredFrom) / elapsedMs, this.#bytesPerMs * rateKept);
    this.#measuredAt = now;
    this.#measuredFrom = bytes;
    return true;
  }

  // ---- what comes in

  /** So many bytes were read from the carrier. Returns whether the peer is to be told. */
  handleReceived(bytes: number): boolean {
    this.#received += bytes;
    return this.tellsNow;
  }

  /** Whether RECEIVED is due. */
  get tellsNow(): boolean {
    return this.#received - this.#told >= tellBytes;
  }

  /** What RECEIVED says; from now on the peer knows. */
  tell(): number {
    this.#told = this.#received;
    return this.#told;
  }
}
