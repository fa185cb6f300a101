/**
 * A caller's HTTP/1.1 connection: requests one after the other, each an `Exchange`. What comes behind a request waits,
 * in bounds, until that is answered. The connection is kept only while it is certain where the next request begins.
 *
 *     head ──► body ──► waiting ──answered──► head …
 *       └────────┴─────────┴── fault, close, node stops ──► lingering ──► closed
 *                          └── 101 ──► switched: joinSocket has the socket
 *
 * Lingering: our side ended behind the answer; what the caller still sends is dropped until the answer has been taken
 * and for a moment more, or longer while it comes, because a reset would take it from it.
 */
import type { Socket } from 'node:net';
import {
  BodyReader,
  type BodySink,
  type Field,
  HttpFault,
  type RequestHead,
  type ResponseHead,
  endsConnection,
  parseRequestHead,
  requestFraming,
  skipEmptyLines,
} from '@postern/http';
import {
  type ReadHandler,
  type Slab,
  type Stream,
  joinSocket,
  readSocket,
  resetSocket,
} from '@postern/tunnel';
import { lingerMsMax, restMsMax } from './bounds.ts';
import type { Cause } from './cause.ts';
import { Exchange } from './exchange.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http1Answers } from './http1-answers.ts';
import { beginsHttp2, http2Preface } from './http2-preface.ts';
import { causeOfFault, misdirected, readRequest } from './incoming.ts';
import type { Answer, AnswerSink, ConnectionFacts, Switched } from './request.ts';
import { Untaken } from './untaken.ts';

/** What comes behind a request is kept up to this. */
const heldBytesMax = 65_536;
/** Small chunks, and requests that are refused at once, that are taken in one turn before the rest waits for the next. */
const takenPerTurnMax = 64;

/** One connection. */
export class Http1Caller implements HttpConnection, AnswerSink, BodySink {
  readonly facts: ConnectionFacts;
  readonly #door: HttpDoor;
  readonly #id: string;
  readonly #socket: Socket;
  #stopReading: () => void;
  #requests = 0;
  #head: RequestHead | null = null;
  #reader: BodyReader | null = null;
  #exchange: Exchange | null = null;
  #trackingId = '';
  readonly #held = new HeldBytes();
  #taking = false;
  /** Of small chunks and refused requests, in this turn. */
  #taken = 0;
  #paused = true;
  #callerEnded = false;
  #keep = true;
  /** The answer ends with the connection. */
  #endsByClose = false;
  #state: 'open' | 'lingering' | 'switched' | 'closed' = 'open';
  #since = performance.now();
  /** When something of what is dropped came last. */
  #restAt = 0;
  /** What of the last answer has not been taken. */
  #rest: Untaken | null = null;
  /** What the bytes that are being taken lie in. */
  #slab: Slab | null = null;
  readonly #answers: Http1Answers;

  constructor(door: HttpDoor, socket: Socket, facts: ConnectionFacts, id: string) {
    this.#door = door;
    this.#socket = socket;
    this.#answers = new Http1Answers(socket);
    this.facts = facts;
    this.#id = id;
    this.#stopReading = readSocket(socket, this.#handleRead);
    socket.on('end', this.#handleEnd);
    socket.on('error', () => {});
    socket.on('close', this.#handleClose);
    socket.on('drain', this.#handleDrain);
  }

  /** Begins to read; `first` has been read before. */
  start(first: Buffer): void {
    this.#socket.setNoDelay(true);
    if (first.length === 0 || this.#take(first)) this.#resume();
  }

  get busy(): boolean {
    return this.#exchange !== null;
  }

  /** Takes no more requests. */
  drain(): void {
    this.#keep = false;
    if (this.#exchange === null && this.#state === 'open' && !this.#held.any) this.#linger();
  }

  close(): void {
    this.#socket.destroy();
  }

  tick(now: number): void {
    const isLingering = this.#state === 'lingering';
    if (this.#exchange !== null || (this.#state !== 'open' && !isLingering)) return;
    const { headTimeoutMs, keepAliveMs, bodyTimeoutMs } = this.#door.parts.bounds;
    const headSince = isLingering ? null : this.#held.headSince;
    if (headSince === null && this.unsent > 0) {
      this.#rest ??= new Untaken();
      this.#since = now;
      if (this.#rest.isLate(now, this.unsent, bodyTimeoutMs)) this.close();
    } else if (isLingering) {
      const isQuiet = now - Math.max(this.#since, this.#restAt) >= lingerMsMax;
      if (isQuiet || now - this.#since >= restMsMax) this.close();
    } else if (headSince === null) {
      if (now - this.#since >= (this.#requests === 0 ? headTimeoutMs : keepAliveMs)) this.#linger();
    } else if (now - headSince >= headTimeoutMs) {
      const text = `the head of a request did not come within ${headTimeoutMs / 1000} s`;
      this.#refuseUnread(this.#door.parts.voice.causeOf('head slow', text));
    }
  }

  // ---- reading

  readonly #handleRead: ReadHandler = (bytes, slab) => {
    this.#slab = slab;
    try {
      const goesOn = this.#take(bytes);
      this.#paused = !goesOn;
      return goesOn;
    } finally {
      this.#slab = null;
      slab?.release();
    }
  };

  #take(fresh: Buffer): boolean {
    if (this.#state === 'lingering') this.#restAt = performance.now();
    if (this.#state !== 'open') return this.#state === 'lingering';
    const bytes = this.#held.join(fresh);
    if (bytes !== fresh) this.#slab = null;
    this.#taking = true;
    try {
      return this.#takeAll(bytes);
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      this.#handleFault(error);
      return true;
    } finally {
      this.#held.settle();
      this.#taking = false;
    }
  }

  #takeAll(bytes: Buffer): boolean {
    let at = 0;
    while (at < bytes.length && this.#state === 'open') {
      if (this.#exchange === null) {
        if (!this.#keep) return this.#linger();
        if (this.#mustWait) {
          this.#held.hold(bytes, at);
          return false;
        }
        if (this.#requests === 0 && beginsHttp2(bytes)) return this.#handOver(bytes);
        at = skipEmptyLines(bytes, at);
        const end = this.#held.headEnd(bytes, at, this.#door.parts.bounds.head);
        if (end < 0) return true;
        this.#begin(bytes.toString('latin1', at, end));
        at = end;
        if (this.#exchange === null) this.#count(1);
      } else if (this.#reader !== null) at = this.#takeBody(bytes, at, this.#reader);
      else {
        this.#held.hold(bytes, at);
        return bytes.length - at < heldBytesMax;
      }
    }
    return this.#exchange === null || this.#reader === null || (this.#exchange.hasRoom && !this.#isTurnOver);
  }

  /**
   * A read may have thousands of what is counted here, and the system hands on dozens of reads of a connection at once: others
   * would wait for seconds.
   */
  #count(taken: number): void {
    if (taken === 0) return;
    if (this.#taken === 0) setImmediate(this.#beginTurn);
    this.#taken += taken;
  }

  get #isTurnOver(): boolean {
    return this.#taken >= takenPerTurnMax;
  }

  readonly #beginTurn = (): void => {
    const wasOver = this.#isTurnOver;
    this.#taken = 0;
    if (!wasOver || this.#state !== 'open') return;
    if (this.#exchange === null) this.#takeHeld();
    else if (this.#exchange.hasRoom) this.onRoom();
  };

  /** HTTP/2 without TLS, by prior knowledge (RFC 9113, 3.3). */
  #handOver(bytes: Buffer): boolean {
    if (bytes.length < http2Preface.length) {
      this.#held.holdHead(bytes, 0);
      return true;
    }
    this.#state = 'switched';
    this.#letGo();
    const socket = this.#socket;
    socket.pause();
    socket.unshift(Buffer.from(bytes));
    setImmediate(() => this.#door.takeHttp2(this, socket));
    return false;
  }

  #begin(text: string): void {
    this.#trackingId = this.#nextTrackingId();
    const { bounds, voice } = this.#door.parts;
    const head = parseRequestHead(text, bounds.head);
    this.#head = head;
    const framing = requestFraming(head);
    const version = head.minor === 1 ? '1.1' : '1.0';
    const request = readRequest(head, framing, version, this.facts, this.#trackingId);
    if (endsConnection(head)) this.#keep = false;
    const errand = misdirected(this.facts, request, voice) ?? this.#door.errand(request);
    if ('code' in errand) {
      this.#refuseUnread(errand);
      return;
    }
    if (framing.kind !== 'none') this.#reader = new BodyReader(framing, bounds.head);
    this.#exchange = new Exchange(this.#door.parts, errand, request, this);
    this.#exchange.start();
    if (this.#reader?.done === true) this.#endRequest(this.#reader);
  }

  #nextTrackingId(): string {
    this.#requests += 1;
    return `${this.#id}.${this.#requests}`;
  }

  #takeBody(bytes: Buffer, from: number, reader: BodyReader): number {
    const before = reader.smallChunks;
    const next = reader.read(bytes, from, this);
    this.#count(reader.smallChunks - before);
    if (reader.done && this.#reader === reader) this.#endRequest(reader);
    return next;
  }

  onBody(piece: Buffer): void {
    this.#exchange?.sendBody(piece, this.#slab);
  }

  #endRequest(reader: BodyReader): void {
    this.#reader = null;
    this.#exchange?.endRequest(reader.trailers);
  }

  #handleFault(fault: HttpFault): void {
    const cause = causeOfFault(fault, this.#door.parts.voice);
    this.#keep = false;
    if (this.#exchange === null) this.#refuseUnread(cause);
    else this.#exchange.cancel(cause);
  }

  readonly #handleEnd = (): void => {
    this.#callerEnded = true;
    if (this.#state !== 'open') return;
    // Requests that are whole are answered; the rest of one that is not will never come.
    if (this.#exchange === null && !this.#hasUntaken) this.#linger();
    else if (this.#reader !== null) this.#exchange?.cancel(null);
  };

  readonly #handleClose = (): void => {
    const before = this.#state;
    this.#state = 'closed';
    this.#stopReading();
    this.#exchange?.cancel(null);
    this.#answers.outgoing.drop();
    if (before !== 'switched') this.#door.onClosed(this);
  };

  readonly #handleDrain = (): void => {
    if (this.#exchange !== null) this.#exchange.readOn();
    else if (this.#state === 'open') this.#takeHeld();
  };

  /** Requests wait until the caller has taken the answers before them, which would gather here without end. */
  get #hasUntaken(): boolean {
    return this.#held.any && this.#mustWait;
  }

  get #mustWait(): boolean {
    return this.#isTurnOver || this.#socket.writableNeedDrain;
  }

  #resume(): void {
    if (!this.#paused || this.#socket.destroyed) return;
    this.#paused = false;
    this.#socket.resume();
  }

  // ---- the answer

  onRoom(): void {
    if (this.#reader !== null) this.#resume();
  }

  sendInformation(status: number, fields: readonly Field[]): void {
    if (this.#head?.minor !== 1) return;
    this.#answers.addInformation(status, '', fields);
    this.flush();
  }

  sendHead(answer: Answer): void {
    const minor = this.#head?.minor ?? 1;
    const { kind } = answer.framing;
    // HTTP/1.0 has no other end of a body whose length nobody knows.
    this.#endsByClose = minor === 0 && (kind === 'chunked' || kind === 'close');
    if (this.#endsByClose) this.#keep = false;
    // Nobody takes the rest of the request, so where the next one begins will not be known (RFC 9112, 9.6).
    if (this.#reader !== null && !answer.takesRest) this.#keep = false;
    if (this.#door.draining()) this.#keep = false;
    this.#answers.addHead(answer, minor, this.#keep);
  }

  sendBody(piece: Buffer, slab: Slab | null): void {
    this.#answers.addBody(piece, slab);
  }

  sendEnd(trailers: readonly Field[]): void {
    this.#answers.addEnd(trailers);
    if (!this.#endsByClose) return;
    this.flush();
    this.#socket.end();
  }

  flush(): boolean {
    return this.#answers.outgoing.flush();
  }

  flushSoon(): boolean {
    return this.#answers.outgoing.flushSoon();
  }

  get unsent(): number {
    return this.#socket.writableLength;
  }

  /** Where the request has a body that was not read, the next one cannot be found. */
  sendRefusal(cause: Cause): void {
    if (this.#reader !== null || this.#door.draining()) this.#keep = false;
    this.#writeRefusal(cause);
  }

  abort(): void {
    this.#keep = false;
    this.#state = 'closed';
    this.#answers.outgoing.drop();
    resetSocket(this.#socket);
  }

  /** A length or chunks tell of themselves that something is missing; the end of the connection would not. */
  breakOff(): void {
    if (this.#endsByClose) {
      this.abort();
      return;
    }
    this.#keep = false;
    this.flush();
  }

  async switchProtocols(
    head: ResponseHead,
    fields: readonly Field[],
    stream: Stream,
    rest: Buffer,
  ): Promise<Switched> {
    const socket = this.#socket;
    this.#state = 'switched';
    this.#answers.addInformation(head.status, head.reason, fields);
    if (rest.length > 0) this.#answers.outgoing.add(rest);
    this.flush();
    stream.deliver(rest.length);
    this.#letGo();
    const held = this.#held.take();
    if (held !== null) stream.writeCopy(held);
    const joined = joinSocket(stream, socket);
    if (this.#callerEnded) stream.end();
    const { reset } = await joined;
    return reset;
  }

  /** The answer is out: the next request, or the end. */
  onOver(): void {
    this.#exchange = null;
    this.#head = null;
    this.#trackingId = '';
    if (this.#state === 'switched') {
      this.#door.onClosed(this);
      return;
    }
    this.#since = performance.now();
    this.#rest = null;
    if (this.#reader !== null) {
      // The answer came before the request was whole.
      this.#reader = null;
      this.#keep = false;
    }
    if (this.#state !== 'open') return;
    if (!this.#keep) this.#linger();
    else if (!this.#taking) this.#takeHeld();
  }

  #takeHeld(): void {
    const held = this.#held.take();
    if (held === null || this.#take(held)) this.#resume();
    if (this.#callerEnded && this.#exchange === null && this.#state === 'open' && !this.#hasUntaken)
      this.#linger();
  }

  #refuseUnread(cause: Cause): void {
    this.#keep = false;
    if (this.#trackingId === '') this.#trackingId = this.#nextTrackingId();
    this.#writeRefusal(cause);
    this.#door.onRefused(this.#trackingId, cause);
    this.#linger();
  }

  #writeRefusal(cause: Cause): void {
    const about = { head: this.#head, trackingId: this.#trackingId, keeps: this.#keep };
    this.#answers.addRefusal(cause, this.#door.parts.voice.statusOf(cause.code), about);
    this.flush();
  }

  #linger(): boolean {
    this.#state = 'lingering';
    this.#since = performance.now();
    this.#socket.end();
    if (this.#callerEnded) this.#socket.destroySoon();
    else this.#resume();
    return true;
  }

  #letGo(): void {
    this.#stopReading();
    this.#socket.off('end', this.#handleEnd);
    this.#socket.off('close', this.#handleClose);
    this.#socket.off('drain', this.#handleDrain);
  }
}
