/**
 * What a stream has sent and the peer has not acknowledged, and what it has not sent yet: one queue, because
 * a byte may have to be sent again over another path until it is acknowledged (docs/PROTOCOL.md, "RESUME").
 *
 *      acknowledged          next                 end
 *           v                 v                    v
 *     ──────[ sent, kept      | not sent yet       ]
 *           └──────── rewind ─┘
 *
 * Large chunks are kept as they came, without a copy. Small ones are copied together, so that a peer which
 * writes single bytes cannot make thousands of buffers, into memory that is used again once they are acknowledged.
 */

import type { Slab } from './slab.ts';
import { keepMemory, takeMemory } from './staging.ts';

/** A run of bytes to be sent. `headroom`: the eight bytes before `bytes` in its memory are free for a header. */
export interface Piece {
  bytes: Buffer;
  headroom: boolean;
  /** The first time that these bytes go out; only then may a header be written in front of them. */
  first: boolean;
  /** More of a payload that lies in one piece would have followed. */
  cut: boolean;
  /** The memory that the bytes lie in, where it is counted. */
  slab: Slab | null;
}

interface Chunk {
  bytes: Buffer;
  /** Of its first byte. */
  offset: number;
  length: number;
  slab: Slab | null;
  /** Whether `bytes` is from `takeMemory`. */
  own: boolean;
}

const blockBytes = 4096;
/** In the place of a chunk that was let go. */
const gone: Chunk = { bytes: Buffer.alloc(0), offset: 0, length: 0, slab: null, own: false };

/**
 * Absolute offsets from the start of the stream. Invariant: acknowledged <= next <= end, next <= sentMax <= end.
 *
 * A peer that gives credit and acknowledges little has hundreds of thousands of chunks kept, and says by how many frames it
 * acknowledges them, and how often it resumes. So none of that costs by how many there are: those that were let go are cut
 * off when they are half of all, a place is found by halves, and a slab is pinned once.
 */
export class SendBuffer {
  acknowledged = 0;
  next = 0;
  end = 0;
  /** The highest `next` there was. */
  sentMax = 0;
  #chunks: Chunk[] = [];
  /** How many of them were let go. */
  #gone = 0;
  /** How many of them are pinned. */
  #pinned = 0;
  /** The chunk that holds `next`, and where in it. */
  #cursor = 0;
  #within = 0;

  /** Bytes kept, sent or not. */
  get retained(): number {
    return this.end - this.acknowledged;
  }

  get unsent(): number {
    return this.end - this.next;
  }

  /** Takes the buffer over; it must not be changed until it is acknowledged. Its slab is released then. */
  push(bytes: Buffer, slab: Slab | null): void {
    this.#chunks.push({ bytes, offset: this.end, length: bytes.length, slab, own: false });
    this.end += bytes.length;
  }

  /** Takes a copy. */
  pushCopy(bytes: Uint8Array): void {
    const last = this.#chunks.at(-1);
    if (last?.own === true && last.bytes.length - last.length >= bytes.length) {
      last.bytes.set(bytes, last.length);
      last.length += bytes.length;
    } else {
      const block = takeMemory(last === undefined ? bytes.length : Math.max(blockBytes, bytes.length));
      block.set(bytes);
      this.#chunks.push({ bytes: block, offset: this.end, length: bytes.length, slab: null, own: true });
    }
    this.end += bytes.length;
  }

  /** The next run of at most `bytesMax` bytes, out of one chunk; advances. Null when all has been sent. */
  take(bytesMax: number): Piece | null {
    const chunk = this.#chunks[this.#cursor];
    if (chunk === undefined || bytesMax <= 0) return null;
    if (this.#within === chunk.length) {
      // The last one may still be added to.
      if (this.#cursor === this.#chunks.length - 1) return null;
      this.#cursor += 1;
      this.#within = 0;
      return this.take(bytesMax);
    }
    const from = this.#within;
    const to = Math.min(chunk.length, from + bytesMax);
    const whole = from === 0 && to === chunk.bytes.length;
    const first = this.next >= this.sentMax;
    this.#within = to;
    this.next += to - from;
    if (this.next > this.sentMax) this.sentMax = this.next;
    return {
      bytes: whole ? chunk.bytes : chunk.bytes.subarray(from, to),
      headroom: chunk.slab !== null && from === 0,
      first,
      cut: chunk.slab !== null && to < chunk.length,
      slab: chunk.slab,
    };
  }

  /** Undoes the last `take`. */
  putBack(piece: Piece): void {
    this.#within -= piece.bytes.length;
    this.next -= piece.bytes.length;
    if (piece.first) this.sentMax = this.next;
  }

  /** Forgets everything below `to`. The caller has checked that acknowledged <= to <= sentMax. */
  acknowledge(to: number): void {
    this.acknowledged = to;
    if (this.next < to) this.rewind(to);
    const chunks = this.#chunks;
    for (
      let chunk = chunks[this.#gone];
      chunk !== undefined && chunk.offset + chunk.length <= to;
      chunk = chunks[this.#gone]
    ) {
      letGo(chunk);
      chunks[this.#gone] = gone;
      this.#gone += 1;
    }
    if (this.#cursor < this.#gone) {
      this.#cursor = this.#gone;
      this.#within = 0;
    }
    if (this.#gone > 0 && 2 * this.#gone >= chunks.length) this.#cutOff();
  }

  #cutOff(): void {
    const count = this.#gone;
    this.#chunks.splice(0, count);
    this.#cursor -= count;
    this.#pinned = Math.max(0, this.#pinned - count);
    this.#gone = 0;
  }

  /**
   * Goes back (or on) to `to`: what follows will be sent next. The caller has checked acknowledged <= to <= end.
   * Never past the last chunk: small writes may still be added to it.
   */
  rewind(to: number): void {
    this.next = to;
    let cursor = this.#gone;
    for (let last = this.#chunks.length - 1; cursor < last;) {
      const middle = (cursor + last) >>> 1;
      const { offset, length } = this.#chunks[middle] as Chunk;
      if (offset + length <= to) cursor = middle + 1;
      else last = middle;
    }
    this.#cursor = cursor;
    this.#within = to - (this.#chunks[cursor]?.offset ?? to);
  }

  /** The path is left: what lies in slabs may still wait in the former connection's queue, so their memory is not used again. */
  pin(): void {
    for (; this.#pinned < this.#chunks.length; this.#pinned += 1) this.#chunks[this.#pinned]?.slab?.pin();
  }

  /** Lets everything go. */
  clear(): void {
    for (const chunk of this.#chunks) {
      chunk.slab?.pin();
      if (chunk.own) keepMemory(chunk.bytes);
    }
    this.#chunks = [];
    this.acknowledged = this.next = this.sentMax = this.end;
    this.#cursor = this.#within = this.#gone = this.#pinned = 0;
  }
}

/** Small ones go out as copies, so nobody but the buffer ever had their memory. */
function letGo({ slab, bytes, own }: Chunk): void {
  slab?.release();
  if (own) keepMemory(bytes);
}
