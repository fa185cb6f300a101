/**
 * Frames as bytes (docs/PROTOCOL.md, "Frames"). Pure: no state, no sockets.
 *
 *    0        1                    4                             8
 *   +--------+--------------------+-----------------------------+- - - - - -
 *   | type   | length (u24)       | stream (u32)                | payload
 *   +--------+--------------------+-----------------------------+- - - - - -
 *
 * All numbers are big-endian. `length` counts the payload alone and is at most `payloadBytesMax`.
 * Offsets are u64 on the wire and JavaScript numbers here: exact up to 2^53, which a stream at 10 GB/s
 * reaches after ten days; a larger one is refused as malformed.
 */
import { TunnelError } from '../error.ts';

/** Frame types. */
export const FrameType = {
  Hello: 1,
  Welcome: 2,
  Open: 3,
  Opened: 4,
  Data: 5,
  Credit: 6,
  Fin: 7,
  Reset: 8,
  Ping: 9,
  Pong: 10,
  GoAway: 11,
  Resume: 12,
  Resumed: 13,
  Datagram: 14,
  Control: 15,
  Received: 16,
} as const;

const nothing = new Uint8Array(0);

/** Bytes of a frame's header. */
export const headerBytes = 8;

/** Longest payload; see limit.ts. */
export { payloadBytesMax } from '../limit.ts';

/** Shortest and longest payload of each type; others are anything up to `payloadBytesMax`. */
const payloadBounds: Record<number, readonly [number, number] | undefined> = {
  [FrameType.Hello]: [2, 65_536],
  [FrameType.Welcome]: [2, 65_536],
  [FrameType.Open]: [30, 16_384],
  [FrameType.Opened]: [20, 1_044],
  [FrameType.Data]: [1, 65_536],
  [FrameType.Credit]: [16, 16],
  [FrameType.Fin]: [0, 0],
  [FrameType.Reset]: [2, 1_026],
  [FrameType.Ping]: [8, 8],
  [FrameType.Pong]: [8, 8],
  [FrameType.GoAway]: [6, 1_030],
  [FrameType.Resume]: [38, 4_096],
  [FrameType.Resumed]: [20, 1_044],
  [FrameType.Datagram]: [0, 65_536],
  [FrameType.Control]: [2, 65_536],
  [FrameType.Received]: [8, 8],
};

/** Throws `TUNNEL_FRAME_TOO_LONG` or `TUNNEL_FRAME_MALFORMED` when a type cannot have a payload of that length. */
export function checkPayloadLength(type: number, length: number): void {
  const [least, most] = payloadBounds[type] ?? [0, 65_536];
  if (length > most)
    throw new TunnelError(
      'TUNNEL_FRAME_TOO_LONG',
      `a frame of type ${type} has ${length} bytes, at most ${most} are allowed`,
    );
  if (length < least)
    throw malformed(`a frame of type ${type} has ${length} bytes, at least ${least} are needed`);
}

/** Writes the eight bytes of a header. */
export function writeHeader(target: Buffer, at: number, type: number, length: number, stream: number): void {
  target[at] = type;
  target[at + 1] = length >>> 16;
  target[at + 2] = length >>> 8;
  target[at + 3] = length;
  target[at + 4] = stream >>> 24;
  target[at + 5] = stream >>> 16;
  target[at + 6] = stream >>> 8;
  target[at + 7] = stream;
}

/** A whole frame. */
export function encodeFrame(type: number, stream: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  writeHeader(frame, 0, type, payload.length, stream);
  frame.set(payload, headerBytes);
  return frame;
}

/** OPEN's payload: the stream's key, the attempt, how far the opener lets the peer send, and metadata. */
export interface Open {
  key: string;
  attempt: number;
  limit: number;
  body: unknown;
}

/** OPENED's and RESUMED's payload: the attempt answered, bytes received, how far the peer may send. */
export interface Answer {
  attempt: number;
  received: number;
  limit: number;
  /** What a later version says behind that; relays pass it on. */
  more?: Uint8Array;
}

/** RESUME's payload: as OPEN's, with the bytes received so far. */
export interface Resume extends Answer {
  key: string;
  body: unknown;
}

/** The highest attempt that is taken from a peer: from there an end can still count on, as u32, for as long as a stream waits. */
export const attemptMax = 0x7fff_ffff;

/** Bytes of a stream key. In this library keys are hexadecimal strings. */
export const keyBytes = 16;

/** OPEN. */
export function encodeOpen(stream: number, open: Open): Buffer {
  return encodeJson(FrameType.Open, stream, open.body, keyBytes + 12, (frame, at) => {
    frame.write(open.key, at, 'hex');
    frame.writeUInt32BE(open.attempt, at + keyBytes);
    writeOffset(frame, at + keyBytes + 4, open.limit);
  });
}

/** Reads OPEN's payload. */
export function decodeOpen(payload: Buffer): Open {
  return {
    key: payload.toString('hex', 0, keyBytes),
    attempt: payload.readUInt32BE(keyBytes),
    limit: readOffset(payload, keyBytes + 4),
    body: decodeJson(payload.subarray(keyBytes + 12)),
  };
}

/** RESUME. */
export function encodeResume(stream: number, resume: Resume): Buffer {
  return encodeJson(FrameType.Resume, stream, resume.body, keyBytes + 20, (frame, at) => {
    frame.write(resume.key, at, 'hex');
    writeAnswer(frame, at + keyBytes, resume);
  });
}

/** Reads RESUME's payload. */
export function decodeResume(payload: Buffer): Resume {
  return {
    key: payload.toString('hex', 0, keyBytes),
    ...readAnswer(payload, keyBytes),
    body: decodeJson(payload.subarray(keyBytes + 20)),
  };
}

/** OPENED or RESUMED. */
export function encodeAnswer(
  type: typeof FrameType.Opened | typeof FrameType.Resumed,
  stream: number,
  answer: Answer,
): Buffer {
  const more = answer.more ?? nothing;
  const frame = Buffer.allocUnsafe(headerBytes + 20 + more.length);
  writeHeader(frame, 0, type, 20 + more.length, stream);
  writeAnswer(frame, headerBytes, answer);
  frame.set(more, headerBytes + 20);
  return frame;
}

/** Reads the payload of OPENED or RESUMED. */
export function decodeAnswer(payload: Buffer): Answer {
  const answer = readAnswer(payload, 0);
  return payload.length === 20 ? answer : { ...answer, more: payload.subarray(20) };
}

/** CREDIT: "delivered up to `delivered`, may send up to `limit`". */
export function encodeCredit(stream: number, delivered: number, limit: number): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + 16);
  writeHeader(frame, 0, FrameType.Credit, 16, stream);
  writeOffset(frame, headerBytes, delivered);
  writeOffset(frame, headerBytes + 8, limit);
  return frame;
}

/** Reads CREDIT's payload. */
export function decodeCredit(payload: Buffer): { delivered: number; limit: number } {
  return { delivered: readOffset(payload, 0), limit: readOffset(payload, 8) };
}

/** RECEIVED: all bytes of the carrier that have been read so far. */
export function encodeReceived(bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + 8);
  writeHeader(frame, 0, FrameType.Received, 8, 0);
  writeOffset(frame, headerBytes, bytes);
  return frame;
}

/** Reads RECEIVED's payload. */
export function decodeReceived(payload: Buffer): number {
  return readOffset(payload, 0);
}

/** RESET. The text is cut to 1,024 bytes. */
export function encodeReset(stream: number, code: number, text: string): Buffer {
  return encodeCodeText(FrameType.Reset, stream, 0, code, text);
}

/** Reads RESET's payload. */
export function decodeReset(payload: Buffer): { code: number; text: string } {
  return { code: payload.readUInt16BE(0), text: payload.toString('utf8', 2) };
}

/** GOAWAY: the highest stream of the peer's that was taken, why, and words. */
export function encodeGoAway(lastStream: number, code: number, text: string): Buffer {
  const frame = encodeCodeText(FrameType.GoAway, 0, 4, code, text);
  frame.writeUInt32BE(lastStream, headerBytes);
  return frame;
}

/** Reads GOAWAY's payload. */
export function decodeGoAway(payload: Buffer): { lastStream: number; code: number; text: string } {
  return {
    lastStream: payload.readUInt32BE(0),
    code: payload.readUInt16BE(4),
    text: payload.toString('utf8', 6),
  };
}

/** HELLO, WELCOME or CONTROL: JSON on stream 0. Throws `TUNNEL_CONTROL_TOO_LONG` past 64 KiB. */
export function encodeBody(type: number, body: unknown): Buffer {
  return encodeJson(type, 0, body, 0, () => {});
}

/** JSON of a payload; `TUNNEL_FRAME_MALFORMED` when it is none. */
export function decodeJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8')) as unknown;
  } catch (error) {
    throw malformed('a frame holds no valid JSON', error);
  }
}

function encodeJson(
  type: number,
  stream: number,
  body: unknown,
  prefix: number,
  fill: (frame: Buffer, at: number) => void,
): Buffer {
  const json = JSON.stringify(body);
  const length = prefix + Buffer.byteLength(json);
  if (length > (payloadBounds[type]?.[1] ?? 65_536)) {
    throw new TunnelError(
      'TUNNEL_CONTROL_TOO_LONG',
      `a body of ${length} bytes does not fit a frame of type ${type}`,
    );
  }
  const frame = Buffer.allocUnsafe(headerBytes + length);
  writeHeader(frame, 0, type, length, stream);
  fill(frame, headerBytes);
  frame.write(json, headerBytes + prefix);
  return frame;
}

function encodeCodeText(type: number, stream: number, prefix: number, code: number, text: string): Buffer {
  const words = Buffer.from(text).subarray(0, 1024);
  const frame = Buffer.allocUnsafe(headerBytes + prefix + 2 + words.length);
  writeHeader(frame, 0, type, prefix + 2 + words.length, stream);
  frame.writeUInt16BE(code, headerBytes + prefix);
  frame.set(words, headerBytes + prefix + 2);
  return frame;
}

function writeAnswer(frame: Buffer, at: number, answer: Answer): void {
  frame.writeUInt32BE(answer.attempt, at);
  writeOffset(frame, at + 4, answer.received);
  writeOffset(frame, at + 12, answer.limit);
}

function readAnswer(payload: Buffer, at: number): Answer {
  return {
    attempt: payload.readUInt32BE(at),
    received: readOffset(payload, at + 4),
    limit: readOffset(payload, at + 12),
  };
}

const twoTo32 = 0x1_0000_0000;

/** Writes an offset as u64. */
function writeOffset(frame: Buffer, at: number, offset: number): void {
  frame.writeUInt32BE(Math.floor(offset / twoTo32), at);
  frame.writeUInt32BE(offset % twoTo32, at + 4);
}

function readOffset(payload: Buffer, at: number): number {
  const offset = payload.readUInt32BE(at) * twoTo32 + payload.readUInt32BE(at + 4);
  if (!Number.isSafeInteger(offset)) throw malformed(`an offset is past 2^53`);
  return offset;
}

function malformed(message: string, cause?: unknown): TunnelError {
  return new TunnelError('TUNNEL_FRAME_MALFORMED', message, { cause });
}
