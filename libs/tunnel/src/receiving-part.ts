/**
 * The receiving part of a stream's end (the word is that of RFC 9000, section 3.2): what has come in order, what of it has
 * left this process, and what the peer is told of both. FIN counts as one byte after the last. What comes before the owner
 * has accepted the stream is kept here.
 *
 *     DATA, FIN ──take, takeEnd──► the owner ──deliver, deliverEnd──► CREDIT   (`creditDue`)
 */
import type { Batch } from './batch.ts';
import type { Budget } from './budget.ts';
import { ByteQueue } from './byte-queue.ts';
import { encodeCredit, payloadBytesMax } from './frame.ts';
import type { Limits } from './limit.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { Slab } from './slab.ts';

/** One per stream end. Offsets are absolute, from the stream's first byte. */
export class ReceivingPart {
  /** The peer is to hear of what was delivered. */
  creditDue = false;
  readonly #window: ReceiveWindow;
  /** Offset of the next byte that comes on this path; below what was received while an OPEN is repeated. */
  #at = 0;
  #finReceived = false;
  #finDelivered = false;
  /** What came before `accept`; null when it is over. */
  #early: ByteQueue | null;

  /** The caller has taken the floor from the budget. While the stream is only `offered` no more than that may come. */
  constructor(limits: Limits, budget: Budget, offered: boolean) {
    this.#window = new ReceiveWindow(limits, budget);
    this.#window.start(offered);
    this.#early = offered ? new ByteQueue() : null;
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
    const pieces: Buffer[] = [];
    const early = this.#early;
    this.#early = null;
    for (let piece = early?.peek(payloadBytesMax); piece; piece = early?.peek(payloadBytesMax)) {
      early?.advance(piece.length);
      pieces.push(piece);
    }
    return pieces;
  }

  /** Whether the peer may send so many bytes now: within its credit, and not after its end. */
  allows(bytes: number): boolean {
    const { received, limit } = this.#window;
    return this.#at + bytes <= limit && !(this.#finReceived && this.#at >= received);
  }

  /** Takes what came, and returns what of it is new and for the owner; null when it all came before, or is early. */
  take(piece: Buffer, slab: Slab | null): Buffer | null {
    const known = this.#window.received - this.#at;
    this.#at += piece.length;
    if (known >= piece.length) return null;
    const fresh = known > 0 ? piece.subarray(known) : piece;
    this.#window.received += fresh.length;
    if (this.#early === null) return fresh;
    this.#early.push(slab === null ? fresh : Buffer.from(fresh));
    return null;
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

  /**
   * A new path, on whose session's budget the floor has been taken; what comes on it begins at offset `from`. Returns how
   * far the peer may send there.
   */
  restart(budget: Budget, from: number, floorOnly: boolean): number {
    this.#at = from;
    return this.#window.restart(budget, floorOnly);
  }

  /** Hands the window back, and lets go of what is early. */
  release(): void {
    this.#early = null;
    this.#window.release();
  }
}
