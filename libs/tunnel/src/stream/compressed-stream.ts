/**
 * A stream whose data is compressed in the tunnel: one zstd frame in each direction (RFC 8878), made and read by Node's
 * zlib in its thread pool. What the stream under it counts, keeps and sends again on another path are the compressed
 * bytes; codecs live as long as the stream, so nothing is compressed twice.
 *
 *     owner ──write──► waiting ──one batch at a time──► encoder ──flushed──► stream
 *     owner ◄─onData── decoder ◄──piece by piece── received ◄── stream
 *                         └ stops while `outputBytesMax` of what it gave are not delivered
 *
 * Each batch is flushed, so that nothing waits for more to come. A piece of the stream is delivered (acknowledged, and
 * credit renewed) when all that came of it has been delivered by the owner; what a small piece can grow to is thus held
 * up like any other data, not gathered. A frame with a larger window than ours is refused, so a decoder's memory has a
 * bound. A codec is made with the first byte of its direction: what carries nothing costs nothing, and has no frame.
 */
import {
  type ZstdCompress,
  type ZstdDecompress,
  constants,
  createZstdCompress,
  createZstdDecompress,
} from 'node:zlib';
import { ResetCode } from '../error.ts';
import { Fifo } from '../memory/fifo.ts';
import { defaultLimits } from '../limit.ts';
import type { Slab } from '../memory/slab.ts';
import type { ProcessName, ResetOrigin, StreamEnd, StreamEvents, StreamPhase } from './stream-end.ts';

/** The window of a frame is at most 2 to the power of this, 128 KiB; a decoder takes no larger one. */
const windowLog = 17;
/** What is compressed at once. */
const batchBytesMax = 65_536;
/** What waits to be compressed; above it the owner has no room. */
const waitingBytesMax = 262_144;
/** What the decoder may give beyond what has been delivered. */
const outputBytesMax = 262_144;
const chunkSize = 16_384;

const encoderOptions = {
  chunkSize,
  flush: constants.ZSTD_e_flush,
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    [constants.ZSTD_c_windowLog]: windowLog,
    // Tables for a window of this size; the level's own are for 2 MiB and take twice the memory.
    [constants.ZSTD_c_hashLog]: 14,
    [constants.ZSTD_c_chainLog]: 15,
  },
};
const decoderOptions = {
  chunkSize,
  readableHighWaterMark: chunkSize,
  rejectGarbageAfterEnd: true,
  params: { [constants.ZSTD_d_windowLogMax]: windowLog },
};

/** Who is told what a compressed stream does. */
export interface CompressedStreamObserver {
  /** So many bytes of the owner's were so many in the tunnel. */
  onBytes(plain: number, inTunnel: number): void;
  onOver(): void;
}

/** Bytes to be compressed; the slab that they lie in is held until they are. */
interface Waiting {
  readonly bytes: Buffer;
  readonly slab: Slab | null;
}

/** A piece of the stream that the decoder has read: delivered when the owner has delivered all below `at`. */
interface Read {
  readonly at: number;
  readonly bytes: number;
}

/** Made around a stream before anything is sent on it, or before it is accepted. */
export class CompressedStream implements StreamEnd {
  events: StreamEvents = {};
  readonly #stream: StreamEnd;
  readonly #observer: CompressedStreamObserver;
  #over = false;

  #encoder: ZstdCompress | null = null;
  readonly #waiting = new Fifo<Waiting>();
  #waitingBytes = 0;
  #encoding = false;
  #sent = 0;
  #endWanted = false;
  #endSent = false;

  #decoder: ZstdDecompress | null = null;
  readonly #received = new Fifo<Buffer>();
  #decoding = false;
  readonly #reads = new Fifo<Read>();
  #given = 0;
  #delivered = 0;
  #endReceived = false;
  #endGiven = false;

  constructor(stream: StreamEnd, observer: CompressedStreamObserver) {
    this.#stream = stream;
    this.#observer = observer;
    stream.events = {
      onOpened: () => {
        this.events.onOpened?.();
        this.#offerRoom();
      },
      onRoom: () => {
        this.#encodeNext();
        this.#offerRoom();
      },
      onData: (piece) => this.#handlePiece(piece),
      onEnd: () => {
        this.#endReceived = true;
        this.#decodeNext();
      },
      onReset: (code, text, origin) => this.#handleReset(code, text, origin),
      onDone: () => {
        const { events } = this;
        this.#finish();
        events.onDone?.();
      },
    };
  }

  get metadata(): unknown {
    return this.#stream.metadata;
  }

  get scope(): string {
    return this.#stream.scope;
  }

  get peer(): ProcessName {
    return this.#stream.peer;
  }

  get phase(): StreamPhase {
    return this.#stream.phase;
  }

  get pathLostAt(): number | null {
    return this.#stream.pathLostAt;
  }

  get quiet(): boolean {
    return this.#stream.quiet;
  }

  get freeBytes(): number {
    return this.#stream.freeBytes;
  }

  /** Before the other end has taken the stream its owner keeps what it writes, so that counts as it is, not compressed. */
  get room(): number {
    if (this.#over || this.#endWanted) return 0;
    const own =
      this.phase === 'opening' ? defaultLimits.floorBytes - this.#sent : waitingBytesMax - this.#waitingBytes;
    return Math.min(own, this.#stream.room);
  }

  get bytesSent(): number {
    return this.#sent;
  }

  get bytesReceived(): number {
    return this.#given;
  }

  accept(): void {
    this.#stream.accept();
  }

  write(bytes: Buffer, slab: Slab | null = null): void {
    if (this.#over || this.#endWanted) {
      slab?.release();
      return;
    }
    this.#sent += bytes.length;
    this.#waitingBytes += bytes.length;
    this.#waiting.push({ bytes, slab });
    this.#encodeNext();
  }

  writeCopy(bytes: Uint8Array): void {
    this.write(Buffer.from(bytes));
  }

  end(): void {
    if (this.#over || this.#endWanted) return;
    this.#endWanted = true;
    this.#encodeNext();
  }

  reset(code: ResetCode, text: string): void {
    this.#stream.reset(code, text);
  }

  deliver(bytes: number): void {
    if (this.#over) return;
    this.#delivered += bytes;
    this.#acknowledge();
    if (this.#given - this.#delivered < outputBytesMax && this.#decoder?.isPaused() === true)
      this.#decoder.resume();
  }

  deliverEnd(): void {
    this.#stream.deliverEnd();
  }

  /** Datagrams go as they are. */
  sendDatagram(payload: Uint8Array): number {
    return this.#stream.sendDatagram(payload);
  }

  // ---- from the owner to the stream

  /** One batch at a time: all small pieces that have gathered meanwhile are the next. */
  #encodeNext(): void {
    if (this.#encoding || this.#over) return;
    if (this.#waiting.length === 0) {
      if (this.#endWanted) this.#sendEnd();
      return;
    }
    // What is compressed goes out: with no room there it waits here, where the owner sees it.
    if (this.#stream.room <= 0) return;
    const { bytes, slabs } = this.#takeBatch();
    this.#encoding = true;
    this.#encoder ??= this.#makeEncoder();
    this.#encoder.write(bytes, () => {
      for (const slab of slabs) slab.release();
      if (this.#over) return;
      this.#encoding = false;
      this.#waitingBytes -= bytes.length;
      this.#observer.onBytes(bytes.length, 0);
      this.#encodeNext();
      this.#offerRoom();
    });
  }

  #takeBatch(): { bytes: Buffer; slabs: Slab[] } {
    const pieces: Buffer[] = [];
    const slabs: Slab[] = [];
    let length = 0;
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (length > 0 && length + next.bytes.length > batchBytesMax) break;
      this.#waiting.shift();
      pieces.push(next.bytes);
      if (next.slab !== null) slabs.push(next.slab);
      length += next.bytes.length;
    }
    const [first] = pieces;
    return {
      bytes: pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, length),
      slabs,
    };
  }

  #makeEncoder(): ZstdCompress {
    const encoder = createZstdCompress(encoderOptions);
    encoder.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      this.#observer.onBytes(0, chunk.length);
      this.#stream.writeCopy(chunk);
    });
    encoder.on('end', () => this.#stream.end());
    encoder.on('error', (error) =>
      this.reset(ResetCode.Internal, `data cannot be compressed: ${error.message}`),
    );
    return encoder;
  }

  #sendEnd(): void {
    if (this.#endSent) return;
    this.#endSent = true;
    if (this.#encoder === null) this.#stream.end();
    else this.#encoder.end();
  }

  #offerRoom(): void {
    if (this.room > 0) this.events.onRoom?.();
  }

  // ---- from the stream to the owner

  #handlePiece(piece: Buffer): void {
    this.#received.push(piece);
    this.#decodeNext();
  }

  #decodeNext(): void {
    if (this.#decoding || this.#over) return;
    const piece = this.#received.shift();
    if (piece === undefined) {
      if (this.#endReceived) this.#endDecoding();
      return;
    }
    this.#decoding = true;
    const decoder = (this.#decoder ??= this.#makeDecoder());
    decoder.write(piece, () => {
      if (this.#over) return;
      this.#decoding = false;
      this.#observer.onBytes(0, piece.length);
      this.#reads.push({ at: this.#given + decoder.readableLength, bytes: piece.length });
      this.#acknowledge();
      this.#decodeNext();
    });
  }

  #makeDecoder(): ZstdDecompress {
    const decoder = createZstdDecompress(decoderOptions);
    decoder.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      this.#given += chunk.length;
      this.#observer.onBytes(chunk.length, 0);
      if (this.#given - this.#delivered >= outputBytesMax) decoder.pause();
      this.events.onData?.(chunk);
    });
    decoder.on('end', () => this.#giveEnd());
    decoder.on('error', (error) =>
      this.reset(ResetCode.Protocol, `the compressed data cannot be read: ${error.message}`),
    );
    return decoder;
  }

  #endDecoding(): void {
    if (this.#endGiven) return;
    if (this.#decoder === null) this.#giveEnd();
    else if (!this.#decoder.writableEnded) this.#decoder.end();
  }

  #giveEnd(): void {
    if (this.#over || this.#endGiven) return;
    this.#endGiven = true;
    this.events.onEnd?.();
  }

  /** What was read of the stream is delivered as far as the owner has delivered what came of it. */
  #acknowledge(): void {
    let bytes = 0;
    for (let read = this.#reads.first; read !== undefined; read = this.#reads.first) {
      if (read.at > this.#delivered) break;
      bytes += read.bytes;
      this.#reads.shift();
    }
    if (bytes > 0) this.#stream.deliver(bytes);
  }

  // ---- ends

  #handleReset(code: number, text: string, origin: ResetOrigin): void {
    const { events } = this;
    this.#finish();
    events.onReset?.(code, text, origin);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    for (let left = this.#waiting.shift(); left !== undefined; left = this.#waiting.shift())
      left.slab?.release();
    this.#received.clear();
    this.#reads.clear();
    // A codec that is at work is let go when it is done.
    this.#encoder?.destroy();
    this.#decoder?.destroy();
    this.events = {};
    this.#observer.onOver();
  }
}
