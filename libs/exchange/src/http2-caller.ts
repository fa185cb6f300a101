/**
 * A caller's HTTP/2 connection: Node's own implementation (nghttp2) ends it, each of its streams is an `Exchange`.
 */
import {
  type Http2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  constants,
  performServerHandshake,
} from 'node:http2';
import { type Duplex, Readable } from 'node:stream';
import {
  type BodySink,
  type Field,
  Gathered,
  HttpFault,
  type ResponseHead,
  checkHeadSize,
  lengthOfNone,
  malformed,
} from '@postern/http';
import { ResetCode, type Slab, type Stream } from '@postern/tunnel';
import { lingerMsMax } from './bounds.ts';
import type { Cause } from './cause.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import { Exchange } from './exchange.ts';
import { fieldsOf, framingOf, headersOf, readHead } from './http2-head.ts';
import { causeOfFault, misdirected, readRequest } from './incoming.ts';
import { refusalAnswer } from './refusal-page.ts';
import type { Answer, AnswerSink, ConnectionFacts, Switched } from './request.ts';
import { Untaken } from './untaken.ts';
import { UploadWindow } from './upload-window.ts';

const nothing = Buffer.alloc(0);
/** So often a caller may cancel at once all that it may ask at once, as when a page is left. */
const cancelledTimes = 4;
/** And so many requests each second. */
const cancelledPerSecond = 33;
/** Pieces of uploads that are taken in one turn before the rest waits for the next; of bulk the system never hands on as many. */
const piecesPerTurnMax = 256;
/** So much of an upload that waits is put together. */
const keptBytesMax = 65_536;

/** One connection. */
export class Http2Caller implements HttpConnection {
  readonly facts: ConnectionFacts;
  readonly door: HttpDoor;
  readonly #id: string;
  readonly #socket: Duplex;
  readonly #session: ServerHttp2Session;
  readonly #streams = new Set<Http2Request>();
  readonly uploads: UploadWindow;
  #requests = 0;
  /** Of uploads, in this turn. */
  #pieces = 0;
  #since = performance.now();

  constructor(door: HttpDoor, socket: Duplex, facts: ConnectionFacts, id: string) {
    this.door = door;
    this.facts = facts;
    this.#socket = socket;
    this.#id = id;
    const { head, requestsPerConnectionMax } = door.parts.bounds;
    this.#session = performServerHandshake(socket, {
      maxHeaderListPairs: head.fieldsMax + 8,
      // Each request that is cancelled at once has reached a client already (rapid reset). Node would allow a thousand.
      streamResetBurst: requestsPerConnectionMax * cancelledTimes,
      streamResetRate: cancelledPerSecond,
      settings: { maxConcurrentStreams: requestsPerConnectionMax, maxHeaderListSize: head.headBytesMax },
    });
    const session: Http2Session = this.#session;
    this.uploads = new UploadWindow(session);
    session.on('stream', (stream, _headers, flags, raw) => {
      this.#handleStream(stream as ServerHttp2Stream, flags, raw);
    });
    session.on('error', () => {});
    session.on('close', () => door.onClosed(this));
  }

  get busy(): boolean {
    return this.#streams.size > 0;
  }

  drain(): void {
    if (this.#session.closed) return;
    this.#since = performance.now();
    this.#session.close();
  }

  /** Node itself would wait for the caller to take what is written, and to end its side. */
  close(): void {
    this.#session.destroy();
    this.#socket.destroy();
  }

  tick(now: number): void {
    this.uploads.tick();
    for (const request of this.#streams) request.tick(now);
    if (this.busy) this.#since = now;
    else if (this.#session.closed) {
      const waitMs = this.#socket.writableFinished ? lingerMsMax : this.door.parts.bounds.bodyTimeoutMs;
      if (now - this.#since >= waitMs) this.close();
    } else if (now - this.#since >= this.door.parts.bounds.keepAliveMs) this.drain();
  }

  /**
   * A piece of an upload came. Each DATA frame is one, be it of a byte, and the system hands on so much of a connection at
   * once that four of them kept everybody else waiting for 0.6 s. So what has not been read yet waits for the next turn.
   */
  countPiece(): void {
    if (this.#pieces === 0) setImmediate(this.#beginTurn);
    this.#pieces += 1;
    if (this.#pieces === piecesPerTurnMax) handleOf(this.#socket)?.readStop?.();
  }

  readonly #beginTurn = (): void => {
    if (this.#pieces >= piecesPerTurnMax) handleOf(this.#socket)?.readStart?.();
    this.#pieces = 0;
  };

  #handleStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    const isBodiless = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.on('error', () => {});
    if (!isBodiless && !this.uploads.begin()) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    this.#requests += 1;
    const request = new Http2Request(this, stream, `${this.#id}.${this.#requests}`);
    this.#streams.add(request);
    stream.on('close', () => {
      this.#since = performance.now();
      this.#streams.delete(request);
      if (!isBodiless) this.uploads.end();
    });
    request.start(raw, isBodiless);
  }
}

/** One stream. */
class Http2Request implements AnswerSink, BodySink {
  readonly #caller: Http2Caller;
  readonly #stream: ServerHttp2Stream;
  readonly #trackingId: string;
  #exchange: Exchange | null = null;
  #fields: readonly Field[] = [];
  #trailers: Field[] = [];
  #answerTrailers: readonly Field[] = [];
  /** Of the answer's body, until it is flushed. */
  #pieces: Buffer[] = [];
  /** Node asks for the trailers when the body is out. */
  #trailersDue = false;
  /** What of the answer has not been taken since the exchange is over. */
  readonly #rest = new Untaken();
  /** The request came without a body, of which a rest could be dropped. */
  #isBodiless = false;
  /** Of the request's body, while the resource takes no more. */
  #kept: Gathered | null = null;

  constructor(caller: Http2Caller, stream: ServerHttp2Stream, trackingId: string) {
    this.#caller = caller;
    this.#stream = stream;
    this.#trackingId = trackingId;
  }

  start(raw: readonly string[], ended: boolean): void {
    this.#isBodiless = ended;
    const { door, facts } = this.#caller;
    const { voice } = door.parts;
    let cause: Cause;
    try {
      const head = readHead(raw);
      checkHeadSize(head, door.parts.bounds.head);
      this.#fields = head.fields;
      const request = readRequest(head, framingOf(head, ended), '2.0', facts, this.#trackingId);
      const errand = misdirected(facts, request, voice) ?? door.errand(request);
      if (!('code' in errand)) {
        this.#exchange = new Exchange(door.parts, errand, request, this);
        this.#listen();
        this.#exchange.start();
        if (!ended) this.#read();
        else if (request.framing.kind !== 'none') this.#exchange.endRequest([]);
        return;
      }
      cause = errand;
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      cause = causeOfFault(error, voice);
    }
    this.sendRefusal(cause);
    this.#dropRest();
    door.onRefused(this.#trackingId, cause);
  }

  /** Ends a stream whose answer is written and is not taken, and with it the connection that does not even let it end. */
  tick(now: number): void {
    if (this.#exchange !== null) return;
    if (!this.#rest.isLate(now, this.unsent, this.#caller.door.parts.bounds.bodyTimeoutMs)) return;
    if (this.#stream.closed) this.#caller.close();
    else this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  onBody(piece: Buffer): void {
    this.#caller.countPiece();
    this.#caller.uploads.take(piece.length);
    if (this.#exchange?.sendBody(piece) === false) this.#stream.pause();
  }

  #read(): void {
    const stream = this.#stream;
    stream.on('trailers', (_headers, _flags, raw) => {
      this.#trailers = fieldsOf(raw);
    });
    stream.on('data', (piece: Buffer) => this.onBody(piece));
    stream.on('end', () => {
      if (!stream.aborted) this.#exchange?.endRequest(this.#trailers);
    });
    stream.push = (piece: Buffer | null) => this.#push(piece);
  }

  /**
   * Node would keep each DATA frame that comes while the stream is paused as a piece of its own, 300 bytes for one, and with it
   * all that came in the same read. `false` keeps Node from opening the stream's window.
   */
  #push(piece: Buffer | null): boolean {
    if (piece === null || !this.#stream.isPaused()) {
      this.#pushKept();
      return push(this.#stream, piece);
    }
    this.#caller.countPiece();
    this.#kept ??= new Gathered(nothing);
    this.#kept.add(piece);
    if (this.#kept.length >= keptBytesMax) this.#pushKept();
    return false;
  }

  #pushKept(): void {
    const kept = this.#kept;
    this.#kept = null;
    if (kept !== null) push(this.#stream, kept.all);
  }

  #resume(): void {
    this.#pushKept();
    this.#stream.resume();
  }

  #listen(): void {
    this.#stream.on('aborted', () => this.#exchange?.cancel(null));
    this.#stream.on('close', () => this.#exchange?.cancel(null));
    this.#stream.on('drain', () => this.#exchange?.readOn());
  }

  // ---- the answer

  onRoom(): void {
    this.#resume();
  }

  sendInformation(status: number, fields: readonly Field[]): void {
    if (!this.#isOpen) return;
    carry(() => this.#stream.additionalHeaders({ ...headersOf(fields), ':status': status }));
  }

  sendHead({ head, framing, fields }: Answer): void {
    const stream = this.#stream;
    if (!this.#isOpen) return;
    const headers: Record<string, string | string[] | number> = {
      ...headersOf(fields),
      ':status': head.status,
    };
    if (framing.kind === 'length') headers['content-length'] = String(framing.length);
    const told = framing.kind === 'none' ? lengthOfNone(head) : null;
    if (told !== null) headers['content-length'] = told;
    const waitForTrailers = framing.kind === 'chunked';
    if (waitForTrailers) stream.on('wantTrailers', () => this.#sendTrailers());
    carry(() => stream.respond(headers, { endStream: framing.kind === 'none', waitForTrailers }));
    this.#trailersDue = waitForTrailers;
  }

  /** Copied out of a slab: how long HTTP/2 needs a piece is Node's own affair, also when the stream ends early. */
  sendBody(piece: Buffer, slab: Slab | null): void {
    this.#pieces.push(slab === null ? piece : Buffer.from(piece));
  }

  sendEnd(trailers: readonly Field[]): void {
    this.#answerTrailers = trailers;
    this.#writePieces();
    if (this.#isOpen && !this.#stream.writableEnded) this.#stream.end();
  }

  /** In one: a resource may send its bytes in chunks of one, and each write that waits costs hundreds. */
  #writePieces(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    if (this.#isOpen) this.#stream.write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
  }

  flush(): boolean {
    this.#writePieces();
    return !this.#isOpen || !this.#stream.writableNeedDrain;
  }

  flushSoon(): boolean {
    return this.flush();
  }

  get unsent(): number {
    return this.#stream.writableLength;
  }

  sendRefusal(cause: Cause): void {
    if (!this.#isOpen) return;
    const status = this.#caller.door.parts.voice.statusOf(cause.code);
    const { fields, body } = refusalAnswer(cause, status, this.#trackingId, this.#fields);
    this.#stream.respond({ ...headersOf(fields), ':status': status });
    this.#stream.end(body);
  }

  abort(): void {
    // Which knows why, and would take the stream's end for the caller's.
    this.#exchange = null;
    this.#reset();
  }

  /** Node's `close` would end the stream in order first, which tells of a whole answer. */
  #reset(): void {
    this.#stream.destroy(new Error('the answer is not whole'));
  }

  /** The reset would overtake what is not yet written. */
  breakOff(): void {
    this.#writePieces();
    if (this.#isOpen) this.#stream.write(nothing, () => this.abort());
  }

  async switchProtocols(_head: ResponseHead, _fields: readonly Field[], stream: Stream): Promise<Switched> {
    stream.reset(ResetCode.Protocol, 'HTTP/2 has no Upgrade');
    return Promise.resolve({ code: ResetCode.Protocol, text: 'HTTP/2 has no Upgrade', origin: 'peer' });
  }

  onOver(): void {
    this.#exchange = null;
    this.#dropRest();
  }

  /** The answer is out before the request was whole: no more of it is wanted (RFC 9113, 8.1). */
  #dropRest(): void {
    const stream = this.#stream;
    if (this.#isBodiless || this.#trailersDue) return;
    if (stream.readableEnded || stream.destroyed || !stream.writableEnded) return;
    const close = (): void => stream.close(constants.NGHTTP2_NO_ERROR);
    if (stream.writableFinished) close();
    else stream.once('finish', close);
    this.#resume();
  }

  get #isOpen(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed;
  }

  #sendTrailers(): void {
    if (!this.#isOpen) return;
    try {
      // Of none Node makes the end of the stream; `close` would leave a stream open whose end is still to be written.
      this.#stream.sendTrailers(headersOf(this.#answerTrailers));
    } catch {
      this.#reset();
      return;
    }
    this.#trailersDue = false;
    // Said in the same turn, the close would overtake them.
    if (this.#exchange === null) setImmediate(() => this.#dropRest());
  }
}

/** As Node does it. */
function push(stream: ServerHttp2Stream, piece: Buffer | null): boolean {
  return Readable.prototype.push.call(stream, piece);
}

/** What Node reads a connection by; the session has taken its bytes, so that `pause` of the socket does nothing. */
function handleOf(socket: Duplex): { readStop?(): void; readStart?(): void } | null {
  return (socket as { _handle?: { readStop?(): void; readStart?(): void } | null })._handle ?? null;
}

/** Node's rules of what HTTP/2 carries are its own; what they refuse is a fault of the answer, and must cost nobody else. Throws `HttpFault`. */
function carry(send: () => void): void {
  try {
    send();
  } catch (error) {
    throw malformed(`what HTTP/2 does not carry: ${error instanceof Error ? error.message : String(error)}`);
  }
}
