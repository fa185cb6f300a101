/**
 * Bytes that came and have to wait. Large pieces are kept as they came; small ones are copied together, because each
 * would hold the whole chunk that it came in: a peer could fill the memory with single bytes. Only a few slabs are held so:
 * where many streams come in one, a queue that does not get shorter would hold a whole slab for each piece. Pieces that lie
 * behind one another in a slab are put together again: a frame that came in several reads goes out whole.
 */
import type { Slab } from './slab.ts';

/** From this size on a piece is kept as it came: it holds at most eight times its size. */
const keepBytesMin = 8_192;
const blockBytes = 4_096;
/** What lies in more slabs than these, 4 MiB, is copied. */
const slabsMax = 16;

interface Block {
  bytes: Buffer;
  from: number;
  to: number;
  /** Memory of this queue's own, to which more may be added. */
  own: boolean;
  /** Held. */
  slab: Slab | null;
}

/** First in, first out. */
export class ByteQueue {
  length = 0;
  #blocks: Block[] = [];
  #head = 0;
  /** How often one block's slab is another than that of the block before. */
  #slabs = 0;

  /** The piece may be kept, or lies in a slab. */
  push(piece: Buffer, slab: Slab | null = null): void {
    this.length += piece.length;
    const last = this.#blocks.at(-1);
    if (slab !== null && last?.slab === slab && liesBehind(piece, last)) {
      last.to += piece.length;
      last.bytes = Buffer.from(piece.buffer, last.bytes.byteOffset, last.to);
      return;
    }
    if (piece.length >= keepBytesMin) {
      const held = this.#hold(slab, last) ? slab : null;
      const bytes = slab === held ? piece : Buffer.from(piece);
      this.#blocks.push({ bytes, from: 0, to: piece.length, own: false, slab: held });
      return;
    }
    if (last?.own === true && last.bytes.length - last.to >= piece.length) {
      last.to += piece.copy(last.bytes, last.to);
      return;
    }
    const bytes = Buffer.allocUnsafe(last === undefined ? piece.length : Math.max(blockBytes, piece.length));
    this.#blocks.push({ bytes, from: 0, to: piece.copy(bytes), own: true, slab: null });
  }

  /** The next bytes that lie together, at most `bytesMax`, good until `advance` or `clear`; null when there are none. */
  peek(bytesMax: number): Buffer | null {
    const block = this.#blocks[this.#head];
    if (block === undefined || bytesMax <= 0) return null;
    return block.bytes.subarray(block.from, Math.min(block.to, block.from + bytesMax));
  }

  /** Lets the first `bytes` go; at most as many as `peek` gave. */
  advance(bytes: number): void {
    const block = this.#blocks[this.#head] as Block;
    block.from += bytes;
    this.length -= bytes;
    if (block.from < block.to) return;
    if (block.slab !== null) {
      if (this.#blocks[this.#head + 1]?.slab !== block.slab) this.#slabs -= 1;
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
    this.#slabs = 0;
    this.length = 0;
  }

  /** Holds the slab for one more block; returns false where there is none, or too many are held. */
  #hold(slab: Slab | null, last: Block | undefined): boolean {
    if (slab === null) return false;
    if (slab !== last?.slab) {
      if (this.#slabs === slabsMax) return false;
      this.#slabs += 1;
    }
    slab.hold();
    return true;
  }
}

function liesBehind(piece: Buffer, { bytes, to }: Block): boolean {
  return bytes.byteOffset + to === piece.byteOffset;
}
