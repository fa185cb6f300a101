/**
 * Bytes that came and have to wait. Large pieces are kept as they came; small ones are copied together, because each
 * would hold the whole chunk that it came in: a peer could fill the memory with single bytes. Only a few slabs are held so,
 * by one queue and by all: where many streams come in one, a queue that does not get shorter would hold a whole slab for
 * each piece, 32 times what it counts. Pieces that lie
 * behind one another in a slab are put together again: a frame that came in several reads goes out whole.
 */
import type { Slab } from './slab.ts';

/** From this size on a piece is kept as it came. */
const keepBytesMin = 8_192;
const blockBytes = 4_096;
/** What lies in more slabs than these, 4 MiB, is copied. */
const slabsMax = 16;
/** The same of all queues of this process, 256 MiB. */
export const slabsHeldMax = 1_024;
let slabsHeld = 0;

/** Bytes that lie together, from `at` to `end` of `memory`. */
interface Block {
  memory: ArrayBufferLike;
  at: number;
  end: number;
  /** This queue's own, to which more may be added. */
  own: Buffer | null;
  /** Held. */
  slab: Slab | null;
  /** A frame's header lies right in front of them, which nobody reads again. */
  headed: boolean;
}

/** First in, first out. */
export class ByteQueue {
  length = 0;
  #blocks: Block[] = [];
  #head = 0;
  /** How often one block's slab is another than that of the block before. */
  #slabs = 0;

  /** The piece may be kept, or lies in a slab; then whoever made the queue calls `clear` in the end. `headed`: its frame's header lies right in front of it. */
  push(piece: Buffer, slab: Slab | null = null, headed = false): void {
    this.length += piece.length;
    const last = this.#blocks.at(-1);
    if (slab !== null && last?.slab === slab && last.end === piece.byteOffset) last.end += piece.length;
    else if (piece.length >= keepBytesMin) {
      const isHeld = this.#hold(slab, last);
      const { buffer: memory, byteOffset: at } = slab === null || isHeld ? piece : Buffer.from(piece);
      const end = at + piece.length;
      this.#blocks.push({ memory, at, end, own: null, slab: isHeld ? slab : null, headed: isHeld && headed });
    } else if (last?.own && roomOf(last.own, last.end) >= piece.length) {
      last.end += piece.copy(last.own, last.end - last.own.byteOffset);
    } else {
      const own = Buffer.allocUnsafe(last === undefined ? piece.length : Math.max(blockBytes, piece.length));
      const at = own.byteOffset;
      const end = at + piece.copy(own);
      this.#blocks.push({ memory: own.buffer, at, end, own, slab: null, headed: false });
    }
  }

  /** The next bytes that lie together, at most `bytesMax`, good until `advance` or `clear`; null when there are none. */
  peek(bytesMax: number): Buffer | null {
    const block = this.#blocks[this.#head];
    if (block === undefined || bytesMax <= 0) return null;
    return Buffer.from(block.memory, block.at, Math.min(block.end - block.at, bytesMax));
  }

  /** The slab in which the next bytes lie behind room for a header; null where they do not. */
  get headedSlab(): Slab | null {
    const block = this.#blocks[this.#head];
    return block?.headed === true ? block.slab : null;
  }

  /** Lets the first `bytes` go; at most as many as `peek` gave. */
  advance(bytes: number): void {
    const block = this.#blocks[this.#head] as Block;
    block.at += bytes;
    block.headed = false;
    this.length -= bytes;
    if (block.at < block.end) return;
    if (block.slab !== null) {
      if (this.#blocks[this.#head + 1]?.slab !== block.slab) this.#count(-1);
      block.slab.release();
      block.slab = null;
    }
    this.#head += 1;
    if (this.#head === this.#blocks.length) this.clear();
    else if (this.#head >= 1_024) {
      this.#blocks = this.#blocks.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    for (const { slab } of this.#blocks) slab?.release();
    this.#blocks = [];
    this.#head = 0;
    this.#count(-this.#slabs);
    this.length = 0;
  }

  /** Holds the slab for one more block; returns false where there is none, or too many are held. */
  #hold(slab: Slab | null, last: Block | undefined): boolean {
    if (slab === null) return false;
    if (slab !== last?.slab) {
      if (this.#slabs === slabsMax || slabsHeld === slabsHeldMax) return false;
      this.#count(1);
    }
    slab.hold();
    return true;
  }

  #count(change: number): void {
    this.#slabs += change;
    slabsHeld += change;
  }
}

function roomOf(own: Buffer, end: number): number {
  return own.byteOffset + own.length - end;
}
