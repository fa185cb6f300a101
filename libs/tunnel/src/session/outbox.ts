/**
 * What a session sends, in turns: a PONG that is owed and control frames first, then paths that have just begun to
 * speak, then those that had their turn and want more.
 *
 *     sendPong, sendControl ──► control ─┐
 *     schedule(path) ──► fresh ──────────┼──► Batch ──► carrier, one write at a time
 *                          └──► bulk ────┘
 *
 * One write is with the carrier at a time, at most `batchBytes` and a frame, so that little is queued below and what
 * is urgent overtakes what is bulk; but not for ever: after `freshBytesMax` one that waits in bulk gets a turn. Beside
 * short pieces bulk keeps to what `Flight` lets through.
 */
import { Batch, stagingBytes } from './batch.ts';
import type { Carrier } from '../carrier/carrier.ts';
import type { Clock } from '../clock.ts';
import { ControlQueue, type ControlRoom } from './control-queue.ts';
import { Fifo } from '../memory/fifo.ts';
import { shortBytesMax, type Flight } from '../carrier/flight.ts';
import { encodeReceived, payloadBytesMax } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { ScopeRoom } from '../memory/scope-room.ts';
import { keepMemory, takeMemory } from '../memory/staging.ts';

/** What takes turns in an outbox. */
export interface Speaker {
  /** The outbox in whose queue it stands; null when in none. */
  queuedIn: Outbox | null;
  /** How many of its last turns were short, one after the other; the outbox counts. */
  shortTurns: number;
  /** Bytes of DATA that wait to be sent. */
  readonly backlog: number;
  /** Writes one turn's worth; returns whether there is more that could go now. */
  writeTo(batch: Batch, quantum: number): boolean;
}

/** What paths that have just begun to speak may send while one that had its turn waits for the next. */
const freshBytesMax = 16 * payloadBytesMax;
/**
 * Up to this size what is staged is copied into less memory, and the staging is free at once. A write is done only in a
 * later turn, so the PINGs of a thousand sessions in one turn would each hold a staging of 256 KiB.
 */
const copiedBytesMax = 4096;
/** One whose last turns were short takes part in a conversation; bulk has short ends too, but not so many in a row. */
const shortTurnsMin = 4;

/**
 * When so many have something to say they do not wait for the end of the turn: else the peer would have nothing to do while
 * this end reads what many callers sent, and then this end while the peer does.
 */
const manyFresh = 12;

/** One per session. */
export class Outbox {
  readonly #carrier: Carrier;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #flight: Flight;
  readonly #roundTripMs: () => number | null;
  readonly #now = (): number => this.#clock.now();
  #pong: Buffer | null = null;
  readonly #control: ControlQueue;
  readonly #controlRoom: () => ControlRoom;
  readonly #passedOn: ScopeRoom;
  readonly #fresh = new Fifo<Speaker>();
  readonly #bulk = new Fifo<Speaker>();
  #freshBytes = 0;
  #flushing = false;
  #writing = false;
  #closed = false;

  /** `roundTripMs` is asked for the shortest round trip seen, null before the first. */
  constructor(parts: {
    carrier: Carrier;
    clock: Clock;
    limits: Limits;
    flight: Flight;
    roundTripMs: () => number | null;
    controlRoom: () => ControlRoom;
  }) {
    this.#carrier = parts.carrier;
    this.#clock = parts.clock;
    this.#limits = parts.limits;
    this.#flight = parts.flight;
    this.#roundTripMs = parts.roundTripMs;
    this.#controlRoom = parts.controlRoom;
    this.#control = new ControlQueue(parts.limits.batchBytes);
    this.#passedOn = new ScopeRoom(parts.limits.batchBytes);
  }

  /** What control frames that wait take of memory. */
  get controlBytes(): number {
    return this.#control.bytes;
  }

  /** Answers a PING; only the newest is answered. */
  sendPong(frame: Buffer): void {
    this.#pong = frame;
    this.flushSoon();
  }

  /** Sends a control frame before all data. Returns false where sessions have no more room for those that wait. */
  sendControl(frame: Buffer, passedOn: ControlRoom | null = null): boolean {
    const hasRoom = this.#control.push(frame, this.#controlRoom(), passedOn);
    this.flushSoon();
    return hasRoom;
  }

  /**
   * Sends one that is passed on for a gateway. Control goes before all data, so of what one write takes a gateway may have
   * as much waiting as is free. Returns false where it has that.
   */
  passOnControl(frame: Buffer, scope: string): boolean {
    if (!this.#passedOn.take(scope, frame)) return false;
    this.sendControl(frame, { room: this.#passedOn, scope });
    return true;
  }

  /** Puts a speaker into the queue: it has something to say. */
  schedule(speaker: Speaker): void {
    if (speaker.queuedIn !== null || this.#closed) return;
    speaker.queuedIn = this;
    this.#fresh.push(speaker);
    this.flushSoon();
    if (this.#fresh.length === manyFresh) queueMicrotask(() => this.#flush());
  }

  /** What has left its number takes no more turns here; its place in the queue is passed over. */
  leave(speaker: Speaker): void {
    if (speaker.queuedIn === this) speaker.queuedIn = null;
  }

  /** The peer has read more: bulk may have room. */
  handleRoom(): void {
    if (this.#bulk.length > 0) this.flushSoon();
  }

  /** Flushes once what has already arrived in this turn of the event loop has been handled. */
  flushSoon(): void {
    if (this.#flushing || this.#writing) return;
    this.#flushing = true;
    this.#clock.soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Takes nothing more. Returns the control frames that were not sent. */
  close(): Buffer {
    this.#closed = true;
    const frames: Buffer[] = [];
    for (let next = this.#control.shift(); next !== undefined; next = this.#control.shift())
      frames.push(next);
    this.#fresh.clear();
    this.#bulk.clear();
    return Buffer.concat(frames);
  }

  #flush(): void {
    if (this.#closed || this.#writing) return;
    const staging = takeMemory(stagingBytes(this.#limits.batchBytes));
    const batch = new Batch(this.#limits.batchBytes, staging);
    this.#fillControl(batch);
    this.#fillSpeakers(batch);
    const lent = batch.isInPlace ? null : lentFor(staging, batch.length);
    if (lent !== staging) keepMemory(staging);
    if (batch.length === 0) return;
    const bytes = lent === null ? batch.finish() : lent.subarray(0, batch.length);
    this.#writing = true;
    this.#flight.handleSent(bytes.length);
    this.#carrier.write(bytes, () => {
      this.#writing = false;
      if (lent !== null) keepMemory(lent);
      batch.release();
      if (this.#pong !== null || this.#control.length + this.#fresh.length + this.#bulk.length > 0)
        this.#flush();
    });
  }

  #fillControl(batch: Batch): void {
    if (this.#flight.tellsNow) batch.addFrame(encodeReceived(this.#flight.tell()));
    if (this.#pong !== null) {
      batch.addFrame(this.#pong);
      this.#pong = null;
    }
    while (batch.takesFrames) {
      const frame = this.#control.shift();
      if (frame === undefined) return;
      batch.addFrame(frame);
    }
  }

  #fillSpeakers(batch: Batch): void {
    const room = this.#flight.room(this.#clock.now(), this.#roundTripMs());
    while (batch.room > 0) {
      const isFull = batch.length >= room;
      const bulkIsDue = !isFull && this.#bulk.length > 0 && this.#freshBytes >= freshBytesMax;
      const fresh = bulkIsDue ? undefined : this.#fresh.shift();
      const speaker = fresh ?? (isFull ? undefined : this.#bulk.shift());
      if (speaker === undefined) return;
      if (fresh === undefined || this.#bulk.length === 0) this.#freshBytes = 0;
      if (speaker.queuedIn !== this) continue; // It has moved to another session.
      speaker.queuedIn = null;
      const before = batch.length;
      const { backlog } = speaker;
      const isShort = backlog <= shortBytesMax;
      if (!isShort) speaker.shortTurns = 0;
      const more = this.#speak(speaker, batch, isShort ? Number.POSITIVE_INFINITY : room);
      const spoke = batch.length > before;
      if (isShort && backlog > 0 && spoke && ++speaker.shortTurns >= shortTurnsMin)
        this.#flight.handleShort(this.#now);
      if (fresh !== undefined) this.#freshBytes += batch.length - before;
      if (!more) continue;
      const mustWait = isFull && !isShort;
      if (speaker.queuedIn === null) {
        speaker.queuedIn = this;
        if (spoke || mustWait) this.#bulk.push(speaker);
        // It found no room behind what lies in this write, and is the first in the next.
        else (fresh === undefined ? this.#bulk : this.#fresh).putBack(speaker);
      }
      if (!spoke && !mustWait) return;
    }
  }

  /** One turn; what is written as it lies goes on, because nothing of another would find room behind it. */
  #speak(speaker: Speaker, batch: Batch, bytesMax: number): boolean {
    for (;;) {
      const before = batch.length;
      const more = speaker.writeTo(batch, before >= bytesMax ? 0 : payloadBytesMax);
      if (!more || !batch.isInPlace || batch.length === before || batch.room <= 0) return more;
    }
  }
}

/** The memory in which the first `bytes` of the staging wait until they are written; null where there are none. */
function lentFor(staging: Buffer, bytes: number): Buffer | null {
  if (bytes === 0) return null;
  if (bytes > copiedBytesMax) return staging;
  const memory = takeMemory(bytes);
  staging.copy(memory, 0, 0, bytes);
  return memory;
}
