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
import { headerBytes, payloadBytesMax } from './frame.ts';

/** Bytes of a slab: four frames of the largest size. */
export const slabBytes = 4 * payloadBytesMax;
/** What is not worth reading into is left. */
const regionBytesMin = 16_384;
/**
 * Free slabs that are kept, all together 256 MiB: a long way keeps tens of megabytes until they are acknowledged, and
 * memory that is made anew for each costs page faults and has V8 mark its whole heap.
 */
const poolMax = 1024;
/** What lay idle for so long goes, by halves. */
const trimAfterMs = 5_000;
const pool: Slab[] = [];
/** The fewest free slabs since the last trimming: so many were not needed. */
let idleSlabs = 0;
let trimming: NodeJS.Timeout | null = null;

/** Counted memory; made by `Slab.take`, which counts its reader. */
export class Slab {
  readonly #memory = Buffer.allocUnsafeSlow(slabBytes);
  #at = 0;
  #holders = 0;
  #pinned = false;

  private constructor() {}

  /** A free slab, held once. */
  static take(): Slab {
    const slab = pool.pop() ?? new Slab();
    if (pool.length < idleSlabs) idleSlabs = pool.length;
    slab.#at = 0;
    slab.#holders = 1;
    return slab;
  }

  /** Where the next bytes go, behind room for a header; null when the slab is full. */
  region(): Buffer | null {
    const from = this.#at + headerBytes;
    const to = Math.min(slabBytes, from + payloadBytesMax - headerBytes);
    return to - from < regionBytesMin ? null : this.#memory.subarray(from, to);
  }

  /** The first `bytes` of the region have been filled: a payload that its holder lets go with `release`. */
  fill(bytes: number): Buffer {
    const from = this.#at + headerBytes;
    this.#at = from + bytes;
    this.#holders += 1;
    return this.#memory.subarray(from, from + bytes);
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
    if (this.#holders > 0 || this.#pinned || pool.length >= poolMax) return;
    pool.push(this);
    trimming ??= setInterval(trim, trimAfterMs).unref();
  }
}

function trim(): void {
  pool.length -= Math.ceil(idleSlabs / 2);
  idleSlabs = pool.length;
  if (idleSlabs > 0 || trimming === null) return;
  clearInterval(trimming);
  trimming = null;
}
