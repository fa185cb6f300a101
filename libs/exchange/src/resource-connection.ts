/**
 * One connection to a resource, over a stream of the tunnel: HTTP/1.1, one request at a time, kept for the next when
 * both messages have ended in order. Whatever is not as it should be on it ends it: nothing that came behind an answer
 * can be taken for the answer to somebody else's request.
 *
 *     opening ──OPENED──► busy ──both ended──► idle ──► busy …
 *        │                 │ └──101──► switched (bytes, handed to joinSocket)
 *        └─────────────────┴──────────────────────────► over
 *
 * What has been read is delivered (credit for the resource) when the caller has taken it.
 */
import {
  BodyReader,
  type BodySink,
  type Field,
  type Framing,
  type HeadLimits,
  Gathered,
  HttpFault,
  type ResponseHead,
  checkAnswerBegins,
  endsConnection,
  findHeadEnd,
  malformed,
  parseResponseHead,
  responseFraming,
} from '@postern/http';
import { ResetCode, type ResetOrigin, type Slab, type Stream, type StreamEvents } from '@postern/tunnel';

/** How a connection failed under its user. */
export interface ConnectionFailure {
  code: ResetCode;
  text: string;
  origin: ResetOrigin;
  /** The fault of an answer that could not be read. */
  fault?: HttpFault;
  /** The resource ended the connection in the middle, or before its answer. */
  cut?: boolean;
}

/** Who sends a request over the connection. */
export interface ConnectionUser {
  onOpened(): void;
  /** A head with 1xx, but 101; null for one more than are passed on. */
  onInformation(head: ResponseHead | null): void;
  onHead(head: ResponseHead, framing: Framing): void;
  /** A piece of the answer's body. In a slab it is good for the call, and longer for who holds the slab; any other may be kept. */
  onBody(piece: Buffer, slab: Slab | null): void;
  /** The answer is whole; where the request is not, its user may go on with that. */
  onAnswered(trailers: readonly Field[]): void;
  /** 101: from now on bytes. `rest` came behind the head, and may be kept. */
  onSwitched(head: ResponseHead, rest: Buffer): void;
  /** All of one piece of the stream has been handed on; false: take no more until `readOn`. */
  onPieceEnd(): boolean;
  onRoom(): void;
  /** The connection is over, and the answer or the request is not whole. */
  onFailed(failure: ConnectionFailure): void;
}

type State = 'idle' | 'head' | 'body' | 'switched' | 'over';

const headScratch = Buffer.allocUnsafeSlow(128 * 1024);
const crlf = Buffer.from('\r\n');
const noTrailers: readonly Field[] = [];
const lastChunk = Buffer.from('0\r\n\r\n');
/** Less of a body is copied: it would hold a whole slab until it is acknowledged. */
const heldBytesMin = 8_192;
/**
 * Heads with 1xx that are passed on of one request, together no longer than one head may be: not every caller's connection
 * holds them up. Those behind them say no more than that the resource is still at it, as one a few seconds does for minutes.
 */
const informationMax = 16;
/**
 * One each second for more than an hour. Each counts as life, so a resource that says nothing else would have its request
 * for ever, and three of them had a node busy for two fifths of its time, long after their callers had gone.
 */
const informationsMax = 4_096;

/** The bytes, good until the next are asked for. */
function latin1Of(text: string): Buffer {
  // `write` would leave out what has no room.
  if (text.length > headScratch.length) return Buffer.from(text, 'latin1');
  return headScratch.subarray(0, headScratch.write(text, 'latin1'));
}

/** A connection to a resource. */
export class ResourceConnection implements StreamEvents, BodySink {
  readonly stream: Stream;
  /** The process at the other end of the stream, which dialled. */
  readonly peerId: string;
  /** Which resource it leads to, told apart by everything that says how it is reached. */
  readonly resourceKey: string;
  /** Since when it is idle. */
  idleSince = 0;
  /** How long the resource says that it keeps it; null when it does not say. */
  keepAliveMs: number | null = null;
  readonly #limits: HeadLimits;
  readonly #onOver: (connection: ResourceConnection) => void;
  #user: ConnectionUser | null = null;
  #state: State = 'idle';
  #method = '';
  #requestFraming: Framing = { kind: 'none' };
  #answerFraming: Framing = { kind: 'none' };
  #requestEnded = false;
  #keepable = true;
  #informations = 0;
  #informationBytes = 0;
  /** Of a head that is not whole. */
  #held: Gathered | null = null;
  #reader: BodyReader | null = null;
  #undelivered = 0;
  /** What the piece that is being taken lies in. */
  #slab: Slab | null = null;

  constructor(
    stream: Stream,
    peerId: string,
    resourceKey: string,
    limits: HeadLimits,
    onOver: (connection: ResourceConnection) => void,
  ) {
    this.stream = stream;
    this.peerId = peerId;
    this.resourceKey = resourceKey;
    this.#limits = limits;
    this.#onOver = onOver;
    stream.events = this;
  }

  get opened(): boolean {
    return this.stream.phase === 'open';
  }

  /** Whether a request may be sent on it: it is idle, alive and has a path to its other end. */
  get usable(): boolean {
    return this.#state === 'idle' && this.stream.phase === 'open' && this.stream.pathLostAt === null;
  }

  /** Whether both messages ended in order and the next request may follow. */
  get reusable(): boolean {
    return this.usable && this.readsOn && this.#requestEnded;
  }

  /** Whether the resource, which answers or has answered, may still want the rest of the request. */
  get readsOn(): boolean {
    return this.stream.phase === 'open' && this.#keepable;
  }

  /** Sends a request's head; its body follows. `text` is Latin-1. */
  begin(user: ConnectionUser, method: string, framing: Framing, text: string): void {
    this.#user = user;
    this.#state = 'head';
    this.#method = method;
    this.#requestFraming = framing;
    this.#requestEnded = framing.kind === 'none';
    this.#keepable = true;
    this.#informations = this.#informationBytes = 0;
    this.#held = null;
    this.stream.writeCopy(latin1Of(text));
  }

  /**
   * Sends a piece of the request's body, good for the call. One in a slab goes as it lies: before it are eight bytes that
   * nobody needs (a region's own, or the request's head), where the tunnel writes its header. Between chunks there are not.
   * Returns whether there is room for more; else `onRoom` follows.
   */
  sendBody(piece: Buffer, slab: Slab | null): boolean {
    if (this.#requestFraming.kind === 'chunked') {
      this.stream.writeCopy(Buffer.from(`${piece.length.toString(16)}\r\n`, 'latin1'));
      this.stream.writeCopy(piece);
      this.stream.writeCopy(crlf);
    } else if (slab !== null && piece.length >= heldBytesMin) {
      slab.hold();
      this.stream.write(piece, slab);
    } else this.stream.writeCopy(piece);
    return this.stream.room > 0;
  }

  /** The request's body is whole. */
  endRequest(trailers: readonly Field[]): void {
    this.#requestEnded = true;
    if (this.#requestFraming.kind !== 'chunked') return;
    if (trailers.length === 0) this.stream.writeCopy(lastChunk);
    else {
      const lines = trailers.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
      this.stream.writeCopy(Buffer.from(`0\r\n${lines}\r\n`, 'latin1'));
    }
  }

  get room(): number {
    return this.stream.room;
  }

  /** The caller takes more of the answer. */
  readOn(): void {
    const bytes = this.#undelivered;
    this.#undelivered = 0;
    if (bytes > 0) this.stream.deliver(bytes);
  }

  /** Nobody uses it any more; what was read is delivered. */
  leave(): void {
    this.#user = null;
    this.readOn();
  }

  /** Ends it in order: the resource sees the end of its connection. */
  close(): void {
    this.#user = null;
    this.#state = 'over';
    this.stream.end();
  }

  /** Ends it at once. */
  reset(code: ResetCode, text: string): void {
    this.stream.reset(code, text);
  }

  // ---- the stream's events

  onOpened(): void {
    this.#user?.onOpened();
  }

  onRoom(): void {
    this.#user?.onRoom();
  }

  onSlabData(piece: Buffer, slab: Slab): void {
    this.#slab = slab;
    try {
      this.onData(piece);
    } finally {
      this.#slab = null;
    }
  }

  onData(piece: Buffer): void {
    if (this.#state === 'over') {
      this.stream.deliver(piece.length);
      return;
    }
    this.#undelivered += piece.length;
    try {
      this.#take(piece);
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      this.#fail({ code: ResetCode.Protocol, text: error.message, origin: 'peer', fault: error });
      return;
    }
    if (this.#state === 'switched') return;
    if (this.#user === null || this.#user.onPieceEnd()) this.readOn();
  }

  onBody(piece: Buffer): void {
    this.#user?.onBody(piece, this.#slab);
  }

  onEnd(): void {
    if (this.#state === 'switched') return;
    this.stream.deliverEnd();
    if (this.#state === 'body' && this.#answerFraming.kind === 'close') {
      this.#handleAnswered(noTrailers, false);
      this.#user?.onPieceEnd();
    } else if (this.#user !== null) {
      const text =
        this.#state === 'head'
          ? 'the resource closed the connection without an answer'
          : 'the resource closed the connection in the middle of its answer';
      this.#fail({ code: ResetCode.Cancelled, text, origin: 'peer', cut: true });
      return;
    }
    this.#keepable = false;
    if (this.#user === null) this.close();
  }

  onReset(code: number, text: string, origin: ResetOrigin): void {
    this.#fail({ code: code as ResetCode, text, origin });
  }

  onDone(): void {
    this.#state = 'over';
    this.#onOver(this);
  }

  // ---- reading

  #take(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      switch (this.#state) {
        case 'head':
          at = this.#takeHead(piece, at);
          break;
        case 'body':
          at = this.#takeBody(piece, at);
          break;
        case 'idle':
          // Bytes that answer nothing: a time-out told late, or an attempt to answer the next request before it is made.
          this.#keepable = false;
          if (this.#user === null) this.reset(ResetCode.Cancelled, 'bytes came that no request asked for');
          return;
        default:
          return;
      }
    }
  }

  #takeHead(piece: Buffer, from: number): number {
    const held = this.#held;
    const known = held?.length ?? 0;
    const bytes = held === null ? piece : held.add(piece.subarray(from));
    const start = held === null ? from : 0;
    // Who greets before it is asked, as SSH and SMTP do, may never end a head.
    checkAnswerBegins(bytes, start);
    const end = findHeadEnd(bytes, start, this.#limits, known);
    if (end < 0) {
      this.#held ??= new Gathered(this.#keep(piece.subarray(from)));
      return piece.length;
    }
    this.#held = null;
    const next = held === null ? end : from + end - known;
    const head = parseResponseHead(bytes.toString('latin1', start, end), this.#limits);
    if (head.status < 200 && head.status !== 101) this.#handleInformation(head, end - start);
    else this.#handleHead(head, piece, next);
    return this.#state === ('switched' as State) ? piece.length : next;
  }

  /** Bytes of the piece that is being taken, good for longer. */
  #keep(bytes: Buffer): Buffer {
    return this.#slab === null ? bytes : Buffer.from(bytes);
  }

  #handleHead(head: ResponseHead, piece: Buffer, next: number): void {
    if (head.status === 101) {
      this.#state = 'switched';
      const rest = this.#keep(piece.subarray(next));
      this.#undelivered -= rest.length;
      this.readOn();
      this.#user?.onSwitched(head, rest);
      return;
    }
    const framing = responseFraming(head, this.#method);
    this.#answerFraming = framing;
    this.#noteKeepAlive(head, framing);
    this.#state = 'body';
    const reader = new BodyReader(framing, this.#limits);
    this.#reader = reader;
    this.#user?.onHead(head, framing);
    if (reader.done) this.#handleAnswered(noTrailers, next < piece.length);
  }

  #handleInformation(head: ResponseHead, bytes: number): void {
    this.#informations += 1;
    this.#informationBytes += bytes;
    if (this.#informations > informationsMax)
      throw malformed(`more than ${informationsMax} heads with 1xx, and no answer`);
    const isTold =
      this.#informations <= informationMax && this.#informationBytes <= this.#limits.headBytesMax;
    this.#user?.onInformation(isTold ? head : null);
  }

  #takeBody(piece: Buffer, from: number): number {
    const reader = this.#reader;
    if (reader === null || this.#user === null) return piece.length;
    const next = reader.read(piece, from, this);
    if (reader.done && this.#state === 'body') this.#handleAnswered(reader.trailers, next < piece.length);
    return next;
  }

  #noteKeepAlive(head: ResponseHead, framing: Framing): void {
    if (endsConnection(head) || framing.kind === 'close') this.#keepable = false;
    const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(
      head.fields.find((field) => field.key === 'keep-alive')?.value ?? '',
    )?.[1];
    this.keepAliveMs = seconds === undefined ? null : Number(seconds) * 1000;
  }

  /** With more bytes behind the answer, whose end cannot be trusted, the connection is not used again. */
  #handleAnswered(trailers: readonly Field[], hasMore: boolean): void {
    this.#state = 'idle';
    if (hasMore) this.#keepable = false;
    this.#reader = null;
    this.#user?.onAnswered(trailers);
  }

  #fail(failure: ConnectionFailure): void {
    if (this.#state === 'over') {
      this.#onOver(this);
      return;
    }
    this.#state = 'over';
    const user = this.#user;
    this.#user = null;
    this.stream.reset(ResetCode.Cancelled, failure.text);
    this.#onOver(this);
    user?.onFailed(failure);
  }
}
