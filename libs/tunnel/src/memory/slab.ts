/**
 * Memory that bulk is read into, one frame behind the other with room for each frame's header, so that header
 * and payload go to TLS as one buffer without a copy:
 *
 *     [8 free][payload      ][8 free][payload      ][8 free] ── read next ──►
 *
 * A slab is used again when its reader has left it and every payload was acknowledged. One whose bytes might
 * still lie in the queue of a connection that the stream has left is pinned: it is never used again, and goes
 * with the garbage.
 */
import { headerBytes, payloadBytesMax } from '../frame/frame.ts';
import { freeBytesMax, memoryOfMachine } from './memory-limits.ts';
import { Pool, PoolBound } from './pool.ts';

/** Bytes of a slab: four frames of the largest size. */
export const slabBytes = 4 * payloadBytesMax;
/** What is not worth reading into is left. */
const regionBytesMin = 16_384;
/**
 * Free slabs are kept: a long way keeps tens of megabytes until they are acknowledged, and memory that is made anew for
 * each costs page faults and has V8 mark its whole heap.
 */
const pool = new Pool<Slab>(new PoolBound(Math.floor(freeBytesMax(memoryOfMachine()) / slabBytes)));

/** What little is read at a time is copied into, by all who read little; its reader is this file. */
let common: Slab | null = null;

/** Counted memory; made by `Slab.take`, which counts its reader. */
export class Slab {
  readonly #memory = Buffer.allocUnsafeSlow(slabBytes);
  #at = 0;
  #holders = 0;
  #pinned = false;

  private constructor() {}

  /** A free slab, held once. */
  static take(): Slab {
    const slab = pool.take() ?? new Slab();
    slab.#at = 0;
    slab.#holders = 1;
    return slab;
  }

  /** One that has room for a copy of `bytes`, at most a payload; who copies into it holds that copy, not the slab. */
  static common(bytes: number): Slab {
    if (common !== null && slabBytes - common.#at >= headerBytes + bytes) return common;
    common?.release();
    return (common = Slab.take());
  }

  /** Where the next bytes go, behind room for a header or so much as is said; null when the slab is full. */
  region(room = headerBytes): Buffer | null {
    const from = this.#at + room;
    const to = Math.min(slabBytes, from + payloadBytesMax - headerBytes);
    return to - from < regionBytesMin ? null : this.#memory.subarray(from, to);
  }

  /** The first `bytes` of the region have been filled: a payload that its holder lets go with `release`. */
  fill(bytes: number, room = headerBytes): Buffer {
    const from = this.#at + room;
    this.#at = from + bytes;
    this.#holders += 1;
    return this.#memory.subarray(from, from + bytes);
  }

  /** Copies in what was read elsewhere: a payload that its holder lets go with `release`. */
  copy(bytes: Buffer): Buffer {
    const copy = this.fill(bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** One more holder, who calls `release` once. */
  hold(): void {
    if (this.#holders === 0) throw new Error('a slab was held that nobody had');
    this.#holders += 1;
  }

  /** It will not be used again. */
  pin(): void {
    this.#pinned = true;
  }

  release(): void {
    // Once too often would give memory to two connections at once: rather no connection at all.
    if (this.#holders === 0) throw new Error('a slab was released more often than it was held');
    this.#holders -= 1;
    if (this.#holders === 0 && !this.#pinned) pool.put(this);
  }
}
