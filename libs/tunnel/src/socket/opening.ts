/**
 * The time between a caller's accept and the other end's OPENED. What the caller sends meanwhile goes out at once, as
 * far as the protocol lets it, and is kept: if this peer says that nothing reached the resource, the next one is sent
 * the same bytes. With OPENED what was kept is let go, and the socket is free for `joinSocket`.
 *
 *     open(stream) ──► carrying early bytes ──► opened      onOpened: join socket and stream
 *                             │      └──RESET──► refused     onRefused: open the next, or give up
 *                             └──caller gone──► the stream is reset; onRefused too (from 'here')
 *
 * Nothing is read between two streams, and the caller may go meanwhile: that is onRefused from 'here', without a stream.
 */
import type { Socket } from 'node:net';
import { ResetCode } from '../error.ts';
import { readSocket } from './socket-reader.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

/** Early bytes are put together from so many pieces on: each single byte would cost a hundred. */
const piecesMax = 64;

/** How the opening of one stream ended. */
export interface OpeningEvents {
  onOpened(stream: StreamEnd): void;
  /** The stream was reset; `from` says by whom. */
  onRefused(code: ResetCode, text: string, from: 'here' | 'peer'): void;
}

/** One caller's early bytes, for as many streams as are tried one after the other. */
export class Opening {
  readonly #socket: Socket;
  readonly #events: OpeningEvents;
  readonly #stopReading: () => void;
  #early: Buffer[];
  #ended = false;
  #stream: StreamEnd | null = null;

  /** `first` goes before what is read: what was read already, or what the resource is told. */
  constructor(socket: Socket, events: OpeningEvents, first: readonly Buffer[] = []) {
    this.#socket = socket;
    this.#events = events;
    this.#early = [...first];
    this.#stopReading = readSocket(socket, this.#handleRead, () => this.#stream?.room ?? 0);
    socket.on('end', this.#handleEnd);
    socket.on('error', this.#handleError);
    socket.on('close', this.#handleClose);
  }

  /** Sends what has come so far over this stream, and what comes until it is opened. */
  carry(stream: StreamEnd): void {
    this.#stream = stream;
    stream.events = {
      onOpened: () => this.#handleOpened(stream),
      onReset: (code, text, from) => this.#handleReset(code as ResetCode, text, from),
      onRoom: () => this.#readOn(stream),
    };
    for (const chunk of this.#early) stream.writeCopy(chunk);
    if (this.#ended) stream.end();
    this.#readOn(stream);
  }

  /** Lets go of the socket. */
  close(): void {
    this.#stream = null;
    this.#early = [];
    this.#stopReading();
    this.#socket.off('end', this.#handleEnd);
    this.#socket.off('error', this.#handleError);
    this.#socket.off('close', this.#handleClose);
  }

  /** Before OPENED a stream takes 16 KiB and one short read; that is what is kept at most. */
  #readOn(stream: StreamEnd): void {
    if (stream.room > 0) this.#socket.resume();
  }

  readonly #handleRead = (bytes: Buffer): boolean => {
    this.#early.push(Buffer.from(bytes));
    if (this.#early.length > piecesMax) this.#early = [Buffer.concat(this.#early)];
    const stream = this.#stream;
    stream?.writeCopy(bytes);
    return stream !== null && stream.room > 0;
  };

  readonly #handleEnd = (): void => {
    this.#ended = true;
    this.#stream?.end();
  };

  readonly #handleError = (error: NodeJS.ErrnoException): void => {
    this.#stream?.reset(ResetCode.Cancelled, `the caller's connection broke: ${error.code ?? error.message}`);
  };

  readonly #handleClose = (): void => {
    const text = "the caller's connection was closed";
    if (this.#stream === null) this.#events.onRefused(ResetCode.Cancelled, text, 'here');
    else this.#stream.reset(ResetCode.Cancelled, text);
  };

  #handleOpened(stream: StreamEnd): void {
    this.close();
    this.#events.onOpened(stream);
  }

  #handleReset(code: ResetCode, text: string, from: 'here' | 'peer'): void {
    this.#stream = null;
    this.#events.onRefused(code, text, from);
  }
}
