/**
 * The pump between a local TCP socket and a stream, both ways: half-close passes as FIN, RST as RESET and back.
 *
 *     socket ──data──► stream.write        paused while the stream has no room
 *     socket ◄─write── stream data         gathered per turn; delivered when the system took it (CREDIT)
 *
 * Bytes are never looked at. The socket must have been made with `allowHalfOpen`; one over TLS takes that from the
 * socket under it. TLS's own end is FIN, both ways; a reset resets the connection under it.
 */
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ResetCode, resetCodeName } from '../error.ts';
import { currentTurn } from '../loop-turn.ts';
import type { Slab } from '../memory/slab.ts';
import { readSocket } from './socket-reader.ts';
import { keepMemory, stage, takeMemory } from '../memory/staging.ts';
import type { ResetOrigin, StreamEnd, StreamEvents } from '../stream/stream-end.ts';

/** A piece up to this size is written at once when it is the first of its turn. */
const urgentBytesMax = 8_192;
/** Pieces smaller than this on average are copied together: a peer that sends single bytes must not make thousands of writes. */
const gatheredBytesMax = 512;
/** Pieces smaller than this are copied where they might wait: each would hold the whole chunk that it came in. */
const heldBytesMin = 8_192;
const empty = Buffer.alloc(0);

/** How a joined pair ended. Counts are bytes from and to the local socket. */
export interface Joined {
  received: number;
  sent: number;
  /** Null when both directions ended in order. */
  reset: { code: number; text: string; origin: ResetOrigin } | null;
}

/** What the owner of a joint may want to say. */
export interface JoinOptions {
  /** The other end took the stream. */
  onOpened?: () => void;
  /** What an error of the local socket is told as; `Cancelled` and its code where it is not explained. */
  explain?: (error: NodeJS.ErrnoException) => { code: ResetCode; text: string } | null;
}

/**
 * Joins them until both directions have ended or one end was reset; then the socket is closed or reset too.
 * Set before the stream's first bytes can arrive: right after `Endpoint.open`, or before `Stream.accept`.
 */
export function joinSocket(stream: StreamEnd, socket: Socket, options: JoinOptions = {}): Promise<Joined> {
  return new Promise((resolve) => {
    const joint = new Joint(stream, socket, resolve, options);
    stream.events = joint;
    joint.start();
  });
}

class Joint implements StreamEvents {
  readonly #stream: StreamEnd;
  readonly #socket: Socket;
  readonly #resolve: (joined: Joined) => void;
  readonly #options: JoinOptions;
  readonly #isTls: boolean;
  #stopReading = (): void => {};
  #paused = false;
  #over = false;
  #pieces: Buffer[] = [];
  /** Held for `#pieces`. */
  #slabs: Slab[] = [];
  #flushing = false;
  /** The turn in which a piece was written at once. */
  #urgentTurn = -1;
  /** Written at once in this turn; TLS says that it has left only in the next. */
  #urgentBytes = 0;
  #ended = false;

  constructor(stream: StreamEnd, socket: Socket, resolve: (joined: Joined) => void, options: JoinOptions) {
    this.#stream = stream;
    this.#socket = socket;
    this.#resolve = resolve;
    this.#options = options;
    this.#isTls = socket instanceof TLSSocket;
  }

  start(): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    this.#stopReading = readSocket(socket, this.#handleRead, () => this.#stream.freeBytes);
    socket.on('end', this.#handleSocketEnd);
    socket.on('error', this.#handleSocketError);
    socket.on('close', this.#handleSocketClose);
    if (socket.destroyed) queueMicrotask(() => this.#handleSocketClose());
    else if (this.#stream.room <= 0) this.#pause();
    else socket.resume();
  }

  // ---- socket to stream

  readonly #handleRead = (bytes: Buffer, slab: Slab | null): boolean => {
    if (slab === null) this.#stream.writeCopy(bytes);
    else this.#stream.write(bytes, slab);
    if (this.#stream.room > 0) return true;
    this.#paused = true;
    return false;
  };

  readonly #handleSocketEnd = (): void => this.#stream.end();

  readonly #handleSocketError = (error: NodeJS.ErrnoException): void => {
    const { code, text } = this.#options.explain?.(error) ?? {
      code: ResetCode.Cancelled,
      text: `the local socket broke: ${error.code ?? error.message}`,
    };
    this.#stream.reset(code, text);
  };

  readonly #handleSocketClose = (): void => {
    // Closed because both directions ended: the stream is only waiting for its last acknowledgements.
    if (this.#socket.readableEnded && this.#socket.writableFinished) return;
    this.#stream.reset(ResetCode.Cancelled, 'the local socket was closed');
  };

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  onRoom(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  onOpened(): void {
    this.#options.onOpened?.();
  }

  // ---- stream to socket

  onData(piece: Buffer): void {
    if (piece.length <= urgentBytesMax && this.#isFirstOfTurn) return this.#writeUrgent(piece, nothing);
    this.#pieces.push(piece);
    this.#flushSoon();
  }

  onSlabData(piece: Buffer, slab: Slab): void {
    // What lies beside a piece that is held already costs nothing more.
    if (piece.length < heldBytesMin && this.#slabs.at(-1) !== slab) {
      if (!this.#isFirstOfTurn) return this.onData(Buffer.from(piece));
      const memory = takeMemory(piece.length);
      memory.set(piece);
      return this.#writeUrgent(memory.subarray(0, piece.length), () => keepMemory(memory));
    }
    slab.hold();
    this.#slabs.push(slab);
    this.#pieces.push(piece);
    this.#flushSoon();
  }

  get #isFirstOfTurn(): boolean {
    return !this.#flushing && this.#urgentTurn !== currentTurn();
  }

  /** Alone in its turn so far: a request or an answer, which should not wait for the turn's end. */
  #writeUrgent(piece: Buffer, letGo: () => void): void {
    this.#urgentTurn = currentTurn();
    if (!this.#isTls && writeNow(this.#socket, piece)) {
      letGo();
      this.#stream.deliver(piece.length);
      return;
    }
    this.#urgentBytes = piece.length;
    this.#writeAll([this.#isTls ? piece : empty], piece.length, letGo);
  }

  onEnd(): void {
    this.#ended = true;
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    const pieces = this.#pieces;
    if (this.#over) return;
    if (pieces.length > 0) {
      const slabs = this.#slabs;
      this.#pieces = [];
      this.#slabs = [];
      this.#write(pieces, slabs);
    }
    if (this.#ended) this.#socket.end(() => this.#stream.deliverEnd());
  };

  /** Together where they are small, where they would wait in a slab behind a slow reader, and always for TLS. */
  #write(pieces: Buffer[], slabs: Slab[]): void {
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    const average = bytes / pieces.length;
    const isSlow = this.#socket.writableLength > this.#urgentBytes;
    this.#urgentBytes = 0;
    const copies = isSlow
      ? slabs.length > 0 || average < heldBytesMin
      : average < gatheredBytesMax || (this.#isTls && pieces.length > 1);
    if (copies) {
      const staged = stage(pieces, bytes);
      releaseAll(slabs);
      this.#writeAll([staged.bytes], bytes, staged.giveBack);
    } else this.#writeAll(pieces, bytes, () => releaseAll(slabs));
  }

  #writeAll(pieces: readonly Buffer[], bytes: number, letGo: () => void): void {
    const socket = this.#socket;
    const last = pieces.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i += 1) socket.write(pieces[i] as Buffer);
    socket.write(pieces[last] as Buffer, (error) => {
      letGo();
      if (!error) this.#stream.deliver(bytes);
    });
    if (last > 0) socket.uncork();
  }

  // ---- ends

  onDone(): void {
    this.#finish(null);
    this.#socket.destroySoon();
  }

  onReset(code: number, text: string, origin: ResetOrigin): void {
    this.#finish({ code, text, origin });
    if (!this.#socket.destroyed) {
      this.#socket.on('error', () => {});
      resetSocket(this.#socket);
    }
  }

  #finish(reset: Joined['reset']): void {
    if (this.#over) return;
    this.#over = true;
    this.#pieces = [];
    releaseAll(this.#slabs);
    this.#slabs = [];
    const socket = this.#socket;
    this.#stopReading();
    socket.off('end', this.#handleSocketEnd);
    socket.off('close', this.#handleSocketClose);
    this.#resolve({ received: this.#stream.bytesSent, sent: this.#stream.bytesReceived, reset });
  }
}

/** An end that was said reaches the system within a turn, unless TLS under it waits for a peer that does not read. */
const endTimeoutMs = 1_000;

/**
 * Ends a connection so that the other end notices at once. Only TCP can be reset: with TLS on top it is the socket
 * underneath, by the name that Node gives it.
 *
 * While an end is on its way to the system, Node cannot reset the socket (EINVAL), and would never close it afterwards.
 */
export function resetSocket(socket: Socket): void {
  socket.on('error', () => {});
  if (!socket.writableEnded || socket.writableFinished || socket.writableLength > 0) return resetNow(socket);
  const timer = setTimeout(() => socket.destroy(), endTimeoutMs);
  socket.once('close', () => clearTimeout(timer));
  socket.once('finish', () => resetNow(socket));
}

function resetNow(socket: Socket): void {
  if (socket.destroyed) return;
  if (!(socket instanceof TLSSocket)) {
    socket.resetAndDestroy();
    return;
  }
  const { _parent: under } = socket as TLSSocket & { _parent?: unknown };
  if (under instanceof Socket && !under.destroyed) under.resetAndDestroy();
  else socket.destroy();
}

/** `Denied (rule 3 …)`: words for a log line. */
export function describeReset(reset: NonNullable<Joined['reset']>): string {
  return `${resetCodeName(reset.code)} by ${reset.origin === 'here' ? 'this end' : 'the other end'}: ${reset.text}`;
}

/**
 * Writes to TCP, and returns whether the system has it already, as nearly always with little; if not, what is written next
 * leaves behind it. Without a callback, for which Node would begin a tick of its own.
 */
export function writeNow(socket: Socket, piece: Buffer): boolean {
  socket.write(piece);
  return socket.writableLength === 0 && !socket.destroyed && socket.errored === null;
}

function releaseAll(slabs: readonly Slab[]): void {
  for (const slab of slabs) slab.release();
}

function nothing(): void {}
