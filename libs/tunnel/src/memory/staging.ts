/**
 * Memory that is used again: for the pieces of one write, put behind one another, and for what is kept for a moment. TLS in
 * Node copies several buffers into memory of its own before it encrypts them, and one not; and what waits for a slow reader
 * would hold a whole slab for each piece. Memory made anew, be it a few hundred bytes, is what V8 counts as pressure: it
 * marked the whole heap several times a second, which was half of what an edge did, with bulk as with small requests.
 *
 *     pieces ──copied──► Staged.bytes ──written──► giveBack ──► the pool of its size
 */
import { Pool, PoolBound } from './pool.ts';

/** Less is not told apart. */
const memoryBytesMin = 256;
/** More is never seen in one turn of a stream, but where a program was held up. */
const stagedBytesMax = 2 ** 22;
/** Kept of all sizes together. */
const kept = new PoolBound(2 ** 26);
/** By the power of two. */
const pools = Array.from({ length: 32 }, (_, power) => new Pool<Buffer>(kept, 2 ** power));

/** One buffer with all pieces; `giveBack` once, when it has left. */
export interface Staged {
  readonly bytes: Buffer;
  readonly giveBack: () => void;
}

/** Copies pieces of together `bytes` into memory that is at most twice as large. */
export function stage(pieces: readonly Buffer[], bytes: number): Staged {
  if (bytes > stagedBytesMax) return { bytes: Buffer.concat(pieces, bytes), giveBack: () => {} };
  const memory = takeMemory(bytes);
  let at = 0;
  for (const piece of pieces) {
    memory.set(piece, at);
    at += piece.length;
  }
  let lent = true;
  const giveBack = (): void => {
    // Twice would give the memory to two connections at once: rather no connection at all.
    if (!lent) throw new Error('memory that was lent for a write was given back twice');
    lent = false;
    keepMemory(memory);
  };
  return { bytes: memory.subarray(0, at), giveBack };
}

/** At least `bytes`, a power of two, from the pool of its size where that has some. */
export function takeMemory(bytes: number): Buffer {
  const power = powerOf(Math.max(memoryBytesMin, bytes));
  return (pools[power] as Pool<Buffer>).take() ?? Buffer.allocUnsafeSlow(2 ** power);
}

/** Back into the pool; only what `takeMemory` gave, once, and when nobody reads it any more. */
export function keepMemory(memory: Buffer): void {
  (pools[powerOf(memory.length)] as Pool<Buffer>).put(memory);
}

/** The least power of two that is not below `bytes`. */
function powerOf(bytes: number): number {
  return 32 - Math.clz32(bytes - 1);
}
