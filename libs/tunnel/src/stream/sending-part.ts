/**
 * The sending part of a stream's end (the word is that of RFC 9000, section 3.1): the bytes that were written, how far
 * the peer has given credit, and the end. FIN counts as one byte after the last, so it is acknowledged like one.
 *
 *     write ──► [ SendBuffer ] ──writeTo──► batch      as far as `limit`; again from where a path was lost (`continueFrom`)
 */
import type { Batch } from '../session/batch.ts';
import type { Budget } from '../memory/budget.ts';
import { FrameType, headerBytes, payloadBytesMax } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { SendBuffer } from '../memory/send-buffer.ts';
import type { Slab } from '../memory/slab.ts';

/** One per stream end. Offsets are absolute, from the stream's first byte. */
export class SendingPart {
  readonly #limits: Limits;
  readonly #budget: Budget;
  readonly #buffer = new SendBuffer();
  /** What is taken from the budget now: what is kept above the floor. */
  #reserved = 0;
  /** How far the peer has given credit on this path. */
  #limit = 0;
  /** How much of it was left when it was last raised: no more than the window of who raised it. */
  #given = 0;
  #finWanted = false;
  #finSent = false;
  #finSentEver = false;
  #finAcknowledged = false;

  constructor(limits: Limits, budget: Budget) {
    this.#limits = limits;
    this.#budget = budget;
  }

  /** Bytes that `write` takes now; below zero it is over already. None after `end`. */
  get room(): number {
    if (this.#finWanted) return 0;
    return Math.min(this.#limit - this.#buffer.end, this.freeBytes);
  }

  /** For how many bytes more there is memory. */
  get freeBytes(): number {
    return this.#limits.floorBytes + this.#reserved + this.#budget.free - this.#buffer.retained;
  }

  /** Bytes kept: sent and not acknowledged, or not sent. */
  get retained(): number {
    return this.#buffer.retained;
  }

  get unsent(): number {
    return this.#buffer.unsent;
  }

  /** How many bytes may go out now. */
  get sendable(): number {
    return Math.min(this.#buffer.unsent, this.#limit - this.#buffer.next);
  }

  /** How many bytes were written. */
  get written(): number {
    return this.#buffer.end;
  }

  /** Whether `end` was called: nothing more may be written. */
  get ended(): boolean {
    return this.#finWanted;
  }

  /** Whether the peer has acknowledged the first byte: then it has taken the stream. */
  get isUnderWay(): boolean {
    return this.#buffer.acknowledged > 0;
  }

  /** Whether the peer owes the acknowledgement of anything. */
  get isWaiting(): boolean {
    return this.#buffer.retained > 0 || (this.#finWanted && !this.#finAcknowledged);
  }

  /** Whether the peer has acknowledged all of it, the end included. */
  get finished(): boolean {
    return this.#finAcknowledged;
  }

  /** Takes the buffer over, and releases its slab when it is acknowledged. */
  write(bytes: Buffer, slab: Slab | null): void {
    this.#buffer.push(bytes, slab);
    this.#settle();
  }

  /** Takes a copy. */
  writeCopy(bytes: Uint8Array): void {
    this.#buffer.pushCopy(bytes);
    this.#settle();
  }

  /** FIN follows the last byte. */
  end(): void {
    this.#finWanted = true;
  }

  /** Writes about `quantum` bytes into the batch, and FIN after the last; returns whether there is more that could go now. */
  writeTo(batch: Batch, id: number, quantum: number): boolean {
    // The last piece of a turn may go over: cut, it could not be sent as it lies.
    let left = quantum;
    while (left > 0) {
      const may = Math.min(batch.room, this.sendable);
      if (may <= 0) break;
      const piece = this.#buffer.take(may);
      if (piece === null) break;
      if (piece.cut && this.#waitsForWhole(batch, piece.bytes.length)) {
        this.#buffer.putBack(piece);
        return batch.length > 0;
      }
      if (!batch.addData(id, piece)) {
        this.#buffer.putBack(piece);
        return true;
      }
      left -= piece.bytes.length + headerBytes;
    }
    if (this.sendable > 0) return true;
    if (this.#finWanted && !this.#finSent && this.#buffer.unsent === 0) {
      if (!batch.takesFrames) return true;
      batch.addHeader(FrameType.Fin, id);
      this.#finSent = this.#finSentEver = true;
    }
    return false;
  }

  /**
   * Whether a piece that room or credit would cut to `bytes` is better sent whole later, as it lies: when the batch has
   * something already, or when more credit is sure to come because half of what was last given is used up, at which who
   * gave it gives more. Over a relay that is not the end that acknowledges.
   */
  #waitsForWhole(batch: Batch, bytes: number): boolean {
    if (batch.length > 0) return true;
    return bytes <= this.#given / 2 && this.#limit - this.#buffer.acknowledged >= 2 * payloadBytesMax;
  }

  /** The peer's CREDIT. Returns false where it acknowledges what was never sent. */
  acknowledge(delivered: number, limit: number): boolean {
    const buffer = this.#buffer;
    if (delivered > this.#sentMax) return false;
    if (delivered > buffer.end) this.#finAcknowledged = true;
    const acknowledged = Math.min(delivered, buffer.end);
    if (acknowledged > buffer.acknowledged) {
      buffer.acknowledge(acknowledged);
      this.#settle();
    }
    this.raise(limit);
    return true;
  }

  /** The peer takes bytes up to `limit`, or up to what it said before. */
  raise(limit: number): void {
    if (limit > this.#limit) this.#setLimit(limit);
  }

  /** A new path, over which the peer has all below `received`. Returns false where that cannot be. */
  continueFrom(received: number, limit: number): boolean {
    const buffer = this.#buffer;
    if (received < buffer.acknowledged || received > this.#sentMax) return false;
    buffer.rewind(Math.min(received, buffer.end));
    this.#finSent = received > buffer.end;
    this.#setLimit(limit);
    return true;
  }

  /** A new path, over which everything is sent from the start. Only while nothing was acknowledged. */
  startOver(limit: number): void {
    this.#buffer.rewind(0);
    this.#finSent = false;
    this.#setLimit(limit);
  }

  /** The path is left: the memory of what was sent on it is not used again. */
  pin(): void {
    this.#buffer.pin();
  }

  /** Lets everything go. */
  clear(): void {
    this.#buffer.clear();
    this.#settle();
  }

  #setLimit(limit: number): void {
    this.#limit = limit;
    this.#given = limit - this.#buffer.next;
  }

  get #sentMax(): number {
    return this.#buffer.sentMax + (this.#finSentEver ? 1 : 0);
  }

  /** What is kept above the floor is taken from the process's budget, neither more nor less. */
  #settle(): void {
    const wanted = Math.max(0, this.#buffer.retained - this.#limits.floorBytes);
    if (wanted > this.#reserved) this.#reserved += this.#budget.takeUpTo(wanted - this.#reserved);
    else if (wanted < this.#reserved) {
      this.#budget.give(this.#reserved - wanted);
      this.#reserved = wanted;
    }
  }
}
