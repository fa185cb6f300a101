/**
 * What is to be written to a caller's HTTP/1.1 connection: gathered, and handed to the system by `flush`, or at the end of
 * the turn where much comes (`flushSoon`): one write for all records of a turn instead of one for each. Pieces that lie
 * in a slab are written as they lie where that pays, and the slab is held until they have left; little, all that is for
 * TLS, and all that is for a caller who does not keep up, is copied: a slow reader would hold a whole slab for each piece.
 *
 * Invariant: every slab that is held here is released once, when its bytes were copied, written or dropped.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Slab, keepMemory, stage, takeMemory, writeNow } from '@postern/tunnel';

/** Up to this all goes out as one copied piece. */
const copiedBytesMax = 16_384;
/** Up to this `flushSoon` writes at once. */
const urgentBytesMax = 8_192;

/** What counts who uses the memory that a piece lies in. */
export type PieceHolder = Pick<Slab, 'hold' | 'release'>;

/** The pieces for one connection. */
export class Outgoing {
  readonly #socket: Socket;
  readonly #isTls: boolean;
  #text = '';
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Held once each for `#pieces`. */
  #slabs: PieceHolder[] = [];
  #planned = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#isTls = socket instanceof TLSSocket;
  }

  /** Latin-1. */
  addText(text: string): void {
    if (this.#pieces.length === 0) this.#text += text;
    else this.add(Buffer.from(text, 'latin1'));
  }

  /** A piece that may be kept, or that lies in a slab. */
  add(piece: Buffer, slab: PieceHolder | null = null): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    if (slab === null || this.#slabs.at(-1) === slab) return;
    slab.hold();
    this.#slabs.push(slab);
  }

  /** Writes all; false when the caller takes no more for now. */
  flush(): boolean {
    const socket = this.#socket;
    const text = this.#text;
    const pieces = this.#pieces;
    const slabs = this.#slabs;
    const bytes = text.length + this.#pieceBytes;
    if (bytes === 0) return !socket.writableNeedDrain;
    this.#reset();
    const waits = slabs.length > 0 && socket.writableLength > 0;
    if (pieces.length === 0) socket.write(text, 'latin1');
    else if (bytes <= copiedBytesMax) {
      this.#writeCopied(bytes, text, pieces);
      releaseAll(slabs);
    } else if (waits || this.#isTls) {
      if (text.length > 0) pieces.unshift(Buffer.from(text, 'latin1'));
      const staged = stage(pieces, bytes);
      releaseAll(slabs);
      socket.write(staged.bytes, staged.giveBack);
    } else {
      socket.cork();
      if (text.length > 0) socket.write(text, 'latin1');
      const last = pieces.pop() as Buffer;
      for (const piece of pieces) socket.write(piece);
      // Called when they have left, and when they never will.
      socket.write(last, () => releaseAll(slabs));
      socket.uncork();
    }
    return !socket.writableNeedDrain;
  }

  /** In memory that is used again where the system has it at once: what TLS or a slow reader has not is nobody else's. */
  #writeCopied(bytes: number, text: string, pieces: readonly Buffer[]): void {
    const waits = this.#isTls || this.#socket.writableLength > 0;
    const memory = waits ? Buffer.allocUnsafe(bytes) : takeMemory(bytes);
    copyTo(memory, text, pieces);
    if (writeNow(this.#socket, memory.subarray(0, bytes)) && !waits) keepMemory(memory);
  }

  /** Writes little at once, and much at the end of the turn; false when the caller takes no more for now. */
  flushSoon(): boolean {
    if (this.#planned) return !this.#socket.writableNeedDrain;
    if (this.#text.length + this.#pieceBytes <= urgentBytesMax) return this.flush();
    this.#planned = true;
    setImmediate(this.#flushPlanned);
    return !this.#socket.writableNeedDrain;
  }

  readonly #flushPlanned = (): void => {
    this.#planned = false;
    this.flush();
  };

  /** Nothing of it will be written. */
  drop(): void {
    const slabs = this.#slabs;
    this.#reset();
    releaseAll(slabs);
  }

  #reset(): void {
    this.#text = '';
    this.#pieces = [];
    this.#pieceBytes = 0;
    // A new one always: whoever waits for the former to be written releases it as it was.
    this.#slabs = [];
  }
}

function copyTo(memory: Buffer, text: string, pieces: readonly Buffer[]): void {
  let at = text.length === 0 ? 0 : memory.write(text, 'latin1');
  for (const piece of pieces) {
    memory.set(piece, at);
    at += piece.length;
  }
}

function releaseAll(slabs: readonly PieceHolder[]): void {
  for (const slab of slabs) slab.release();
}
