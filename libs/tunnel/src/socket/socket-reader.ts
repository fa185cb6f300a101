/**
 * Reads TCP sockets without a buffer for each: all sockets that say little share one, whose bytes are copied
 * out before the next read; a socket that fills it has turned out to be bulk and reads into slabs, which are
 * sent as they lie. So an idle stream holds no read buffer, and bulk is not copied.
 *
 * Nothing is read for which there is no memory: else each of hundreds whose readers stand still holds a read more than the
 * process may keep. What the next read may bring is settled when the last one is over, as Node asks for its buffer then; so
 * the first one, before anybody has said for whom it is, brings no more than every stream may keep.
 *
 * Node gives a socket its own read buffers by `onread`, but only to sockets that dial. Accepted ones and those of TLS are
 * given the same three properties, found by their names, and their handle the same buffer (`giveBuffers`): these are
 * Node's own and its documentation does not name them. Without them the socket stays as it is and is read by its 'data'
 * events: slower, and nothing else.
 */
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import { headerBytes } from '../frame/frame.ts';
import { defaultLimits } from '../limit.ts';
import { currentTurn } from '../loop-turn.ts';
import { Slab } from '../memory/slab.ts';

const sharedBytes = 65_536;
/** What every stream may keep. */
const someBytes = defaultLimits.floorBytes;
/** A read has to bring something. */
const leastBytes = 4_096;
/** TLS hands out one record at a time; a full one says that more is behind it. */
const recordBytes = 16_384;
/**
 * Pieces of a socket that are handed on in one turn before the rest waits for the next. A record of TLS is one, be it of a
 * byte, and the system hands on so much of a connection at once that six of them kept everybody else waiting for a second. Of
 * bulk it never hands on as many.
 */
const piecesPerTurnMax = 256;

/** How a socket is read. */
interface Reads {
  /** A read of this many bytes or more says that the sender is bulk. */
  readonly fullBytes: number;
  /** So many in a row with less than half of that say that it no longer is. */
  readonly shortReadsMax: number;
  /** What is left free in a slab in front of each read. */
  readonly roomBytes: number;
}

const tcpReads: Reads = { fullBytes: sharedBytes, shortReadsMax: 1, roomBytes: headerBytes };
const tlsReads: Reads = { ...tcpReads, fullBytes: recordBytes };
/**
 * A session's connection. What comes has its headers, and lies as it was sent: a frame in one piece, over records. One
 * short record says nothing there: each write of bulk ends with what is left over from full ones, and CREDIT goes beside
 * it. Were the slab left for it, the next full record would have to be copied.
 */
export const carrierReads: Reads = { fullBytes: recordBytes, shortReadsMax: 8, roomBytes: 0 };
const shared = Buffer.allocUnsafeSlow(sharedBytes);
const some = shared.subarray(0, someBytes);
const least = shared.subarray(0, leastBytes);
const unbounded = (): number => Infinity;
const forAnybody = (): number => someBytes;

/** Takes what was read; with a slab the bytes may be kept until it is released, else only for the call. Returns false to pause. */
export type ReadHandler = (bytes: Buffer, slab: Slab | null) => boolean;

/**
 * A property and no `WeakMap`, whose values V8's young collections keep for as long as the map lives: each caller's socket,
 * with all that hangs on it, would wait for the next marking of the whole heap.
 */
const readerOf = Symbol('reader');

/**
 * Gives what is read from a paused socket to `handler` until the returned function is called; `socket.resume()`
 * begins, and begins again after a pause. Whoever stops reading a socket that is not paused must at once give
 * it to another reader, or end it. `freeBytes` says for how much there is memory, and is asked after each read.
 */
export function readSocket(
  socket: Socket,
  handler: ReadHandler,
  freeBytes: () => number = unbounded,
): () => void {
  const isTls = socket instanceof TLSSocket;
  const reader = (socket as ReadSocket)[readerOf] ?? (isTls ? readTls(socket, handler) : null);
  if (reader !== null) {
    reader.handler = handler;
    reader.freeBytes = freeBytes;
  }
  const handleData = (chunk: Buffer): void => {
    if (!handler(chunk, null)) socket.pause();
  };
  // What TLS had read before it got buffers of its own still comes as 'data'.
  if (reader === null || isTls) socket.on('data', handleData);
  return () => {
    socket.off('data', handleData);
    if (reader?.handler === handler) reader.handler = null;
  };
}

/** Dials as `net.connect` does, half-open and paused: `joinSocket` begins to read. */
export function connectSocket(options: TcpNetConnectOpts): Socket {
  const reader = new SocketReader();
  reader.freeBytes = forAnybody;
  const socket = connect({ ...options, allowHalfOpen: true, onread: reader.onread });
  socket.pause();
  keepReader(socket, reader);
  return socket;
}

interface ReadSocket extends Socket {
  [readerOf]?: SocketReader;
}

/** Lets an accepted socket be read like a dialled one. It must be paused and unread (`pauseOnConnect`). */
export function adoptSocket(accepted: Socket): void {
  const reader = new SocketReader();
  reader.freeBytes = forAnybody;
  giveBuffers(accepted, reader);
}

function keepReader(socket: Socket, reader: SocketReader): void {
  (socket as ReadSocket)[readerOf] = reader;
  reader.socket = socket;
  socket.once('close', () => reader.release());
}

/** Names of the properties in which a socket keeps its own read buffers; Node's `onread` option sets the same. */
let ownBufferKeys: { buffer: symbol; make: symbol; take: symbol } | null | undefined;

/**
 * Reads a TLS connection like a dialled socket. Returns null, and changes nothing, where it cannot have buffers of its
 * own: then it is read by its 'data' events. What was read before still comes as 'data'.
 */
export function readTls(
  socket: TLSSocket,
  handler: ReadHandler,
  reads: Reads = tlsReads,
): SocketReader | null {
  const reader = new SocketReader(reads);
  reader.handler = handler;
  return giveBuffers(socket, reader) ? reader : null;
}

interface BufferOwner extends Record<symbol, unknown> {
  _handle: { useUserBuffer?: unknown } | null;
}

/** False, and nothing is changed, where this version of Node keeps a socket's buffers otherwise. */
function giveBuffers(socket: Socket, reader: SocketReader): boolean {
  const owner = socket as unknown as BufferOwner;
  const handle = owner._handle;
  ownBufferKeys ??= findOwnBufferKeys(socket);
  if (ownBufferKeys === null || typeof handle?.useUserBuffer !== 'function') return false;
  const first = reader.onread.buffer();
  owner[ownBufferKeys.buffer] = first;
  owner[ownBufferKeys.make] = reader.onread.buffer;
  owner[ownBufferKeys.take] = reader.onread.callback;
  (handle.useUserBuffer as (buffer: Buffer) => void).call(handle, first);
  keepReader(socket, reader);
  return true;
}

function findOwnBufferKeys(socket: Socket): { buffer: symbol; make: symbol; take: symbol } | null {
  const keys = Object.getOwnPropertySymbols(socket);
  const find = (name: string): symbol | undefined => keys.find((key) => key.description === name);
  const [buffer, make, take] = [find('kBuffer'), find('kBufferGen'), find('kBufferCb')];
  return buffer === undefined || make === undefined || take === undefined ? null : { buffer, make, take };
}

/** The read buffers of one socket. */
export class SocketReader {
  readonly onread = {
    buffer: (): Buffer => this.#next(),
    callback: (bytes: number): boolean => this.#take(bytes),
  };
  handler: ReadHandler | null = null;
  /** Reads on in the next turn when this one's pieces are used up. */
  socket: Socket | null = null;
  /** For how much there is memory. */
  freeBytes = unbounded;
  readonly #reads: Reads;
  #shortReads = 0;
  #slab: Slab | null = null;
  /** The turn of the last piece, and how many came in it. */
  #turn = -1;
  #pieces = 0;
  /** What the handler said last. */
  #goesOn = false;

  constructor(reads: Reads = tcpReads) {
    this.#reads = reads;
  }

  /**
   * Lets the slab go. Only for a socket that has closed: until then the system may hold the slab's next region as the
   * buffer of the next read, whoever reads it.
   */
  release(): void {
    this.handler = null;
    this.#leaveSlab();
  }

  #leaveSlab(): void {
    this.#slab?.release();
    this.#slab = null;
  }

  #next(): Buffer {
    const freeBytes = this.freeBytes();
    if (freeBytes < sharedBytes) {
      this.#leaveSlab();
      return freeBytes < someBytes ? least : some;
    }
    if (this.#slab === null) return shared;
    const { roomBytes } = this.#reads;
    const region = this.#slab.region(roomBytes);
    if (region !== null) return region;
    this.#slab.release();
    this.#slab = Slab.take();
    return this.#slab.region(roomBytes) as Buffer;
  }

  #take(bytes: number): boolean {
    this.#goesOn = this.#handOn(bytes);
    const turn = currentTurn();
    if (this.#turn !== turn) this.#pieces = 0;
    this.#turn = turn;
    this.#pieces += 1;
    if (this.#pieces === piecesPerTurnMax) setImmediate(this.#readOn);
    return this.#goesOn && this.#pieces < piecesPerTurnMax;
  }

  /** Unless whoever reads has paused meanwhile. */
  readonly #readOn = (): void => {
    if (this.#goesOn && this.handler !== null && this.socket?.isPaused() === false) this.socket.resume();
  };

  #handOn(bytes: number): boolean {
    const slab = this.#slab;
    const handler = this.handler;
    const { fullBytes, shortReadsMax, roomBytes } = this.#reads;
    if (handler === null) return false;
    if (slab === null) {
      if (bytes >= fullBytes) this.#slab = Slab.take();
      return handler(shared.subarray(0, bytes), null);
    }
    this.#shortReads = bytes < fullBytes / 2 ? this.#shortReads + 1 : 0;
    if (this.#shortReads >= shortReadsMax) {
      this.#shortReads = 0;
      this.#slab = null;
      const goesOn = handler(slab.fill(bytes, roomBytes), slab);
      slab.release();
      return goesOn;
    }
    return handler(slab.fill(bytes, roomBytes), slab);
  }
}
