/**
 * Bytes to frames. DATA is handed on piece by piece as it arrives and is never put together; every other
 * frame is handed on whole. What a peer announces is checked against its bound before a byte of it is kept,
 * so a decoder never holds more than one payload of 64 KiB.
 *
 *        +-------- 8 bytes there --------+
 *        v                               |
 *     header ──► DATA: pieces ──► end ───┤
 *        └─────► other: payload whole ───┘
 */
import { checkPayloadLength, FrameType, headerBytes } from './frame.ts';
import type { Slab } from '../memory/slab.ts';
import { type Allowance, unlimited, workOf } from './work.ts';

/**
 * Where decoded frames go. Payloads are lent for the call; pieces of DATA are as good as the chunk that they came in.
 * `headed`: the piece begins a payload and the frame's header lies right in front of it, which nobody reads again.
 */
export interface FrameSink {
  handleFrame(type: number, stream: number, payload: Buffer): void;
  handleData(stream: number, piece: Buffer, slab: Slab | null, headed: boolean): void;
}

const nothing = Buffer.alloc(0);

/** One per carrier. `push` throws `TunnelError` at the first byte that cannot be; then the carrier must be cut. */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #header = Buffer.allocUnsafe(headerBytes);
  #headerFilled = 0;
  #type = 0;
  #stream = 0;
  /** Bytes of the current payload that are still to come. */
  #missing = 0;
  #payload: Buffer | null = null;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /**
   * `slab`: the memory that the chunk lies in, when it is not the chunk's own. Returns how much of it was taken: all, unless
   * the allowance was used up.
   */
  push(chunk: Buffer, slab: Slab | null = null, allowance: Allowance = unlimited): number {
    let at = 0;
    /** Where a payload begins whose header lies in the chunk in front of it. */
    let headedAt = -1;
    while (at < chunk.length && allowance.left > 0) {
      if (this.#missing > 0) {
        at = this.#takePayload(chunk, at, slab, at === headedAt);
        continue;
      }
      if (this.#headerFilled === 0 && chunk.length - at >= headerBytes) {
        this.#startFrame(chunk, at, allowance);
        at += headerBytes;
        headedAt = at;
      } else {
        const end = Math.min(chunk.length, at + headerBytes - this.#headerFilled);
        this.#headerFilled += chunk.copy(this.#header, this.#headerFilled, at, end);
        at = end;
        if (this.#headerFilled < headerBytes) return at;
        this.#headerFilled = 0;
        this.#startFrame(this.#header, 0, allowance);
      }
    }
    return at;
  }

  #startFrame(from: Buffer, at: number, allowance: Allowance): void {
    const type = from[at] as number;
    const length = from.readUIntBE(at + 1, 3);
    checkPayloadLength(type, length);
    allowance.left -= workOf(type, length);
    const stream = from.readUInt32BE(at + 4);
    if (length === 0) {
      this.#sink.handleFrame(type, stream, nothing);
      return;
    }
    this.#type = type;
    this.#stream = stream;
    this.#missing = length;
  }

  #takePayload(chunk: Buffer, at: number, slab: Slab | null, headed: boolean): number {
    const end = Math.min(chunk.length, at + this.#missing);
    if (this.#type === FrameType.Data) {
      this.#missing -= end - at;
      const piece = at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end);
      this.#sink.handleData(this.#stream, piece, slab, headed);
      return end;
    }
    if (this.#payload === null && end - at === this.#missing) {
      this.#missing = 0;
      this.#sink.handleFrame(this.#type, this.#stream, chunk.subarray(at, end));
      return end;
    }
    this.#payload ??= Buffer.allocUnsafe(this.#missing);
    chunk.copy(this.#payload, this.#payload.length - this.#missing, at, end);
    this.#missing -= end - at;
    if (this.#missing === 0) {
      const payload = this.#payload;
      this.#payload = null;
      this.#sink.handleFrame(this.#type, this.#stream, payload);
    }
    return end;
  }
}
