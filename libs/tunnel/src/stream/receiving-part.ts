/**
 * The receiving part of a stream's end (the word is that of RFC 9000, section 3.2): what has come in order, what of it has
 * left this process, and what the peer is told of both. FIN counts as one byte after the last. What comes before the owner
 * has accepted the stream is kept here; so is what comes behind many small pieces that it has not delivered, put together,
 * since each costs an owner hundreds of bytes, and credit counts one.
 *
 *     DATA, FIN ──take, takeEnd──► the owner ──deliver, deliverEnd──► CREDIT   (`creditDue`)
 *                     └──► held ──► the owner, when it has accepted, or has delivered all that it was given
 */
import type { Batch } from '../session/batch.ts';
import type { Budget } from '../memory/budget.ts';
import { ByteQueue } from '../memory/byte-queue.ts';
import { encodeCredit, payloadBytesMax } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { Slab } from '../memory/slab.ts';

/** A smaller piece costs more to hold than it is long. */
const smallBytesMax = 512;
/** So many of those an owner is given while it delivers not all of them, */
const smallPiecesMax = 128;
/** and one more for so much that it has: bulk has small pieces too. */
const bytesPerSmallPiece = 4_096;

/** One per stream end. Offsets are absolute, from the stream's first byte. */
export class ReceivingPart {
  /** The peer is to hear of what was delivered. */
  creditDue = false;
  readonly #window: ReceiveWindow;
  /** Offset of the next byte that comes on this path; below what was received while an OPEN is repeated. */
  #at = 0;
  #finReceived = false;
  #finDelivered = false;
  #accepted: boolean;
  /** What the owner was not given yet; null where there is nothing. */
  #held: ByteQueue | null = null;
  /** How much the owner was given. */
  #given = 0;
  /** How many small pieces were given behind `#mark`, and in front of it when it was set. */
  #smallBehind = 0;
  #smallBefore = 0;
  #mark = 0;

  /** The caller has taken the floor from the budget. While the stream is only `offered` no more than that may come. */
  constructor(limits: Limits, budget: Budget, offered: boolean) {
    this.#window = new ReceiveWindow(limits, budget);
    this.#window.start(offered);
    this.#accepted = !offered;
  }

  /** Received so far, an end counting as one byte. */
  get received(): number {
    return this.#window.received + (this.#finReceived ? 1 : 0);
  }

  get bytesReceived(): number {
    return this.#window.received;
  }

  /** How far the peer may send. */
  get limit(): number {
    return this.#window.limit;
  }

  get ended(): boolean {
    return this.#finReceived;
  }

  /** The end has been passed on. */
  get finished(): boolean {
    return this.#finDelivered;
  }

  /** The stream was accepted: more than the floor may come. Returns what came before. */
  accept(): Buffer[] {
    this.#window.start(false);
    this.#accepted = true;
    return this.takeHeld();
  }

  /** Whether something waits for the owner. */
  get holds(): boolean {
    return this.#held !== null;
  }

  /** Whether what waits may be given to the owner now. */
  get heldIsDue(): boolean {
    return this.#held !== null && this.#accepted && this.#window.delivered >= this.#given;
  }

  /** What waits for the owner, in few pieces. */
  takeHeld(): Buffer[] {
    const pieces: Buffer[] = [];
    const held = this.#held;
    this.#held = null;
    for (let piece = held?.peek(payloadBytesMax); piece; piece = held?.peek(payloadBytesMax)) {
      held?.advance(piece.length);
      this.#given += piece.length;
      pieces.push(piece);
    }
    return pieces;
  }

  /** Whether the peer may send so many bytes now: within its credit, and not after its end. */
  allows(bytes: number): boolean {
    const { received, limit } = this.#window;
    return this.#at + bytes <= limit && !(this.#finReceived && this.#at >= received);
  }

  /** Takes what came, and returns what of it is new and for the owner; null when it all came before, or is held. */
  take(piece: Buffer, slab: Slab | null): Buffer | null {
    const known = this.#window.received - this.#at;
    this.#at += piece.length;
    if (known >= piece.length) return null;
    const fresh = known > 0 ? piece.subarray(known) : piece;
    this.#window.received += fresh.length;
    if (this.#mayGive(fresh.length)) {
      this.#given += fresh.length;
      return fresh;
    }
    this.#held ??= new ByteQueue();
    this.#held.push(slab === null ? fresh : Buffer.from(fresh));
    return null;
  }

  /** Those are forgotten of which it is sure that they were delivered, also where there is never a pause. */
  #mayGive(bytes: number): boolean {
    if (!this.#accepted || this.#held !== null) return false;
    const { delivered } = this.#window;
    if (delivered >= this.#mark) {
      this.#smallBefore = delivered >= this.#given ? 0 : this.#smallBehind;
      this.#smallBehind = 0;
      this.#mark = this.#given;
    }
    if (bytes < smallBytesMax) this.#smallBehind += 1;
    const most = smallPiecesMax + (this.#given - delivered) / bytesPerSmallPiece;
    return this.#smallBefore + this.#smallBehind <= most;
  }

  /** The peer's FIN: `new`, `repeated` on another path, or what is wrong with it. */
  takeEnd(): 'new' | 'repeated' | { wrong: string } {
    const { received } = this.#window;
    if (this.#finReceived && this.#at > received) return { wrong: 'the peer ended its direction twice' };
    if (this.#at < received) return { wrong: 'the peer ended its direction below what it had sent before' };
    this.#at += 1;
    if (this.#finReceived) return 'repeated';
    this.#finReceived = true;
    return 'new';
  }

  /** `bytes` have left this process. Returns whether the peer should hear of it at once. */
  deliver(bytes: number): boolean {
    this.#window.delivered += bytes;
    return this.#window.due;
  }

  /** The end has been passed on. Returns false where there is nothing new to say. */
  deliverEnd(): boolean {
    if (!this.#finReceived || this.#finDelivered) return false;
    this.#finDelivered = true;
    return true;
  }

  /** Whether something was delivered of which the peer does not know. */
  get hasUnacknowledged(): boolean {
    return this.#window.delivered > this.#window.acknowledged;
  }

  /** Whether anything was delivered at all, the end included. */
  get hasDelivered(): boolean {
    return this.#window.delivered > 0 || this.#finDelivered;
  }

  /** Writes the CREDIT that is due, with as much more credit as window and budgets allow. */
  writeCredit(batch: Batch, id: number, now: number, roundTripMs: number | null): void {
    this.creditDue = false;
    const limit = this.#window.renew(now, roundTripMs);
    const { delivered } = this.#window;
    this.#window.acknowledged = delivered;
    batch.addFrame(encodeCredit(id, delivered + (this.#finDelivered ? 1 : 0), limit));
  }

  /** A new path, with the budget of its session; what comes on it begins at offset `from`. Returns false where that has no floor left. */
  restart(budget: Budget, from: number, floorOnly: boolean): boolean {
    if (!this.#window.restart(budget, floorOnly)) return false;
    this.#at = from;
    return true;
  }

  /** Hands the window back, and lets go of what is held. */
  release(): void {
    this.#held = null;
    this.#window.release();
  }
}
