/**
 * What goes to the carrier in one write. Small things are copied together into one buffer; a run of large
 * pieces that lie behind one another in memory, each with room for its header, is written as it lies.
 *
 *     staging:  [CREDIT][hdr|small][hdr|small]…          copied
 *     run:      [hdr|64 KiB][hdr|64 KiB]…                in place, headers written into the gaps
 *
 * One buffer matters: TLS in Node copies several buffers together before it encrypts, and one not.
 */
import { FrameType, headerBytes, payloadBytesMax, writeHeader } from '../frame/frame.ts';
import type { Piece } from '../memory/send-buffer.ts';
import type { Slab } from '../memory/slab.ts';

/** What a batch may go over by, so that a few small frames do not split a large one. */
const slackBytes = 4096;

/** The size of buffer that a batch of `bytesMax` needs: one whole frame may be copied in behind the last. */
export function stagingBytes(bytesMax: number): number {
  return bytesMax + slackBytes + payloadBytesMax + headerBytes;
}

/** From this size on a piece is worth sending in place. */
const runPieceBytesMin = 16_384;

/** Built anew for each write. */
export class Batch {
  readonly bytesMax: number;
  #staging: Buffer;
  #length = 0;
  #run: Buffer | null = null;
  readonly #held: Slab[] = [];

  /** `staging` has `stagingBytes(bytesMax)` and is lent until the write is done. */
  constructor(bytesMax: number, staging: Buffer) {
    this.bytesMax = bytesMax;
    this.#staging = staging;
  }

  get length(): number {
    return this.#run === null ? this.#length : this.#run.length;
  }

  /** Whether what is to be written lies elsewhere, and the staging is not used. */
  get isInPlace(): boolean {
    return this.#run !== null;
  }

  /** Bytes of DATA that the next frame may carry; none when the batch is full. */
  get room(): number {
    return Math.min(payloadBytesMax - headerBytes, this.bytesMax + slackBytes - this.length - headerBytes);
  }

  /** Whether frames can be copied in: not behind a run. */
  get takesFrames(): boolean {
    return this.#run === null && this.#length < this.bytesMax;
  }

  /** Copies a whole frame in. One frame may go past `bytesMax`; the staging has room for it. */
  addFrame(frame: Uint8Array): void {
    this.#staging.set(frame, this.#length);
    this.#length += frame.length;
  }

  /** A frame without a payload. */
  addHeader(type: number, stream: number): void {
    writeHeader(this.#staging, this.#length, type, 0, stream);
    this.#length += headerBytes;
  }

  /** A DATA frame of at most `room` bytes. Returns false, and takes nothing, when it does not lie behind the run. */
  addData(stream: number, piece: Piece): boolean {
    const { bytes } = piece;
    const inPlace = piece.headroom && piece.first;
    if (this.#run !== null && !(inPlace && this.#isBehindRun(bytes))) return false;
    if (this.#run !== null || (inPlace && this.#length === 0 && bytes.length >= runPieceBytesMin)) {
      const from = this.#run === null ? bytes.byteOffset - headerBytes : this.#run.byteOffset;
      this.#run = Buffer.from(bytes.buffer, from, bytes.byteOffset + bytes.length - from);
      writeHeader(
        this.#run,
        this.#run.length - bytes.length - headerBytes,
        FrameType.Data,
        bytes.length,
        stream,
      );
      // The peer may acknowledge it before it has left, where what writes it waits: it lies there until then.
      if (piece.slab !== null) this.#hold(piece.slab);
      return true;
    }
    writeHeader(this.#staging, this.#length, FrameType.Data, bytes.length, stream);
    this.#staging.set(bytes, this.#length + headerBytes);
    this.#length += headerBytes + bytes.length;
    return true;
  }

  #hold(slab: Slab): void {
    if (this.#held.at(-1) === slab) return;
    slab.hold();
    this.#held.push(slab);
  }

  /** It has been written. One that never is holds its slabs for good: they may still lie in the carrier's queue. */
  release(): void {
    for (const slab of this.#held) slab.release();
  }

  /** What to write; empty when nothing was added. */
  finish(): Buffer {
    return this.#run ?? this.#staging.subarray(0, this.#length);
  }

  #isBehindRun(bytes: Buffer): boolean {
    const run = this.#run as Buffer;
    return run.buffer === bytes.buffer && run.byteOffset + run.length + headerBytes === bytes.byteOffset;
  }
}
