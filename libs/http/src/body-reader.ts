/**
 * Reads the body of one message out of the bytes that follow its head, piece by piece as they come: nothing is gathered
 * but a chunk's size line and the trailer section, both bounded. Pieces are parts of the buffer that is given, or memory of
 * their own: small chunks that come together are handed on together, since each piece costs who takes it as much as a
 * large one, and a sender may make a thousand times as many of them as bulk has.
 *
 *     length:   body … ──length bytes──► done
 *     chunked:  size ─► data ─► data end ─┐        size "0" ─► trailers ─► done
 *                 ▲──────────────────────┘
 */
import { malformed } from './fault.ts';
import { type Field, type HeadLimits, checkBytes, parseFields } from './field.ts';
import type { Framing } from './framing.ts';
import { Gathered } from './gathered.ts';
import { findHeadEnd } from './head.ts';

/** Who takes the body. */
export interface BodySink {
  onBody(piece: Buffer): void;
}

type State = 'data' | 'size' | 'data end' | 'trailers' | 'done';

/** Of a chunk's size line, its extensions included. */
const sizeLineBytesMax = 256;
/** Of all size lines of one body beyond the digits: extensions say nothing here and are not passed on. */
const extensionBytesMax = 16_384;
/** Size, and extensions without control characters. White space is taken before their `;` only (RFC 9112, 7.1.1). */
const sizeLine = /^([0-9A-Fa-f]{1,13})((?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?)$/;
/** Less of a chunk is put together with what comes behind it. */
const smallBytesMax = 512;
/** So much is put together. */
const togetherBytesMax = 4_096;
/** Of a size line without extensions: what a number holds. */
const sizeDigitsMax = 13;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const lineEnd = Buffer.from('\r\n');
const noTrailers: readonly Field[] = [];
/** Fields that a reader needs before the body: behind it, one reader would heed them and another not. */
const framing = new Set(['content-length', 'transfer-encoding', 'host']);

/** Reads one body. */
export class BodyReader {
  readonly #limits: HeadLimits;
  readonly #chunked: boolean;
  #state: State;
  /** Bytes of data that are still to come, of the body or of the chunk. */
  #left: number;
  /** Of a size line, or of the end of a chunk. */
  #held: Buffer | null = null;
  /** The trailer section; with the line end of the last size before it, an empty one ends as a full one does. */
  #section: Gathered | null = null;
  #extensionBytes = 0;
  /** Small chunks of the bytes that are being read; only the first `#smallBytes` are theirs. */
  #small: Buffer | null = null;
  #smallBytes = 0;
  #smallChunks = 0;
  #trailers: readonly Field[] = noTrailers;

  constructor(framing: Framing, limits: HeadLimits) {
    this.#limits = limits;
    this.#chunked = framing.kind === 'chunked';
    this.#left = framing.kind === 'length' ? framing.length : framing.kind === 'close' ? Infinity : 0;
    this.#state = this.#chunked ? 'size' : this.#left === 0 ? 'done' : 'data';
  }

  /** The whole body has been read. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** How many small chunks there were: what they cost does not show in bytes. */
  get smallChunks(): number {
    return this.#smallChunks;
  }

  /** The fields behind a chunked body. */
  get trailers(): readonly Field[] {
    return this.#trailers;
  }

  /** Takes from `from` on what belongs to the body; returns where that ends. Throws `HttpFault`. */
  read(bytes: Buffer, from: number, sink: BodySink): number {
    try {
      return this.#read(bytes, from, sink);
    } finally {
      this.#giveSmall(sink);
    }
  }

  #read(bytes: Buffer, from: number, sink: BodySink): number {
    let at = from;
    while (at < bytes.length && this.#state !== 'done') {
      switch (this.#state) {
        case 'data':
          at = this.#readData(bytes, at, sink);
          break;
        case 'size':
          at = this.#readSize(bytes, at);
          break;
        case 'data end':
          at = this.#readDataEnd(bytes, at);
          break;
        case 'trailers':
          at = this.#readTrailers(bytes, at);
          break;
      }
    }
    return at;
  }

  #readData(bytes: Buffer, from: number, sink: BodySink): number {
    const to = Math.min(bytes.length, from + this.#left);
    this.#left -= to - from;
    if (this.#left === 0) this.#state = this.#chunked ? 'data end' : 'done';
    if (this.#chunked && to < bytes.length && to - from < smallBytesMax) {
      this.#takeSmall(bytes, from, to, sink);
      return to;
    }
    this.#giveSmall(sink);
    sink.onBody(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    return to;
  }

  #takeSmall(bytes: Buffer, from: number, to: number, sink: BodySink): void {
    const length = to - from;
    this.#smallChunks += 1;
    if (this.#small !== null && this.#smallBytes + length > this.#small.length) this.#giveSmall(sink);
    this.#small ??= Buffer.allocUnsafe(Math.min(bytes.length - from, togetherBytesMax));
    bytes.copy(this.#small, this.#smallBytes, from, to);
    this.#smallBytes += length;
  }

  #giveSmall(sink: BodySink): void {
    const small = this.#small;
    if (small === null) return;
    const length = this.#smallBytes;
    this.#small = null;
    this.#smallBytes = 0;
    sink.onBody(small.subarray(0, length));
  }

  #readSize(bytes: Buffer, from: number): number {
    const end = this.#held === null ? this.#readDigits(bytes, from) : -1;
    return end >= 0 ? end : this.#readSizeLine(bytes, from);
  }

  /** A size line that is here whole, and nothing but digits, which most are; returns -1 for any other. */
  #readDigits(bytes: Buffer, from: number): number {
    let size = 0;
    let at = from;
    for (; at - from < sizeDigitsMax; at += 1) {
      const digit = digitOf(bytes[at]);
      if (digit < 0) break;
      size = size * 16 + digit;
    }
    if (at === from || bytes[at] !== carriageReturn || bytes[at + 1] !== lineFeed) return -1;
    this.#takeSize(size);
    return at + 2;
  }

  #readSizeLine(bytes: Buffer, from: number): number {
    const lf = bytes.indexOf(lineFeed, from);
    const to = lf < 0 ? bytes.length : lf + 1;
    const line = this.#withHeld(bytes, from, to);
    if (line.length > sizeLineBytesMax)
      throw malformed(`a chunk's size line has at most ${sizeLineBytesMax} bytes`);
    if (lf < 0) {
      this.#held = Buffer.from(line);
      return to;
    }
    this.#held = null;
    if (line[line.length - 2] !== carriageReturn)
      throw malformed("a chunk's size line that does not end in CR LF");
    this.#takeSizeLine(line.toString('latin1', 0, line.length - 2));
    return to;
  }

  #takeSizeLine(line: string): void {
    const match = sizeLine.exec(line);
    if (match === null)
      throw malformed("a chunk's size line that is not a hexadecimal number and extensions");
    const [, size = '', extensions = ''] = match;
    this.#extensionBytes += extensions.length;
    if (this.#extensionBytes > extensionBytesMax) {
      throw malformed(`chunk extensions have at most ${extensionBytesMax} bytes in one body`);
    }
    this.#takeSize(Number.parseInt(size, 16));
  }

  #takeSize(size: number): void {
    this.#left = size;
    this.#state = this.#left === 0 ? 'trailers' : 'data';
  }

  #readDataEnd(bytes: Buffer, from: number): number {
    const heldBefore = this.#held !== null;
    const expected = heldBefore ? lineFeed : carriageReturn;
    if (bytes[from] !== expected) throw malformed('a chunk whose data is not followed by CR LF');
    if (heldBefore) {
      this.#held = null;
      this.#state = 'size';
    } else this.#held = bytes.subarray(from, from + 1);
    return from + 1;
  }

  #readTrailers(bytes: Buffer, from: number): number {
    this.#section ??= new Gathered(lineEnd);
    const before = this.#section.length;
    const section = this.#section.add(bytes.subarray(from));
    const end = findHeadEnd(section, 0, this.#limits, before);
    if (end < 0) return bytes.length;
    this.#section = null;
    const text = section.toString('latin1', 0, end);
    checkBytes(text);
    this.#trailers = parseFields(text, 2, this.#limits);
    if (this.#trailers.some(({ key }) => framing.has(key)))
      throw malformed('a trailer section must not say how the body is framed (RFC 9110, 6.5.1)');
    this.#state = 'done';
    return from + end - before;
  }

  #withHeld(bytes: Buffer, from: number, to: number): Buffer {
    const fresh = bytes.subarray(from, to);
    return this.#held === null ? fresh : Buffer.concat([this.#held, fresh]);
  }
}

/** Hexadecimal; -1 for what is none. */
function digitOf(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
