/**
 * One request and its answer, from judgement to the last byte. Both messages stream at once and neither is gathered; an
 * answer may come before the request is whole.
 *
 *     judged ──► sent by a way    ──OPENED──► answered ──► over, when the request is whole too
 *        │          │     ▲                      │ 101: bytes both ways
 *        │          └─────┘ nothing was reached  │     there may be a way soon: waits for it first
 *        ▼              (the same bytes again)   ▼
 *      refused, with a page                    aborted: the caller sees that the answer is not whole
 *
 * A request that may have reached its resource is never sent again, whatever its method: only a RESET that says that
 * nothing was reached leads to the next way.
 */
import {
  type Field,
  type Framing,
  type ResponseHead,
  forwardAnswer,
  forwardTrailers,
  formatRequestHead,
  trackingField,
} from '@postern/http';
import { type ProcessName, ResetCode, type Slab, TunnelError, saysNothingReached } from '@postern/tunnel';
import type { Cause, Trouble } from './cause.ts';
import type { HttpParts } from './door.ts';
import type { HttpErrand, Running, Way } from './errand.ts';
import { type AnswerSink, type HttpRequest, isPersonal } from './request.ts';
import { Untaken } from './untaken.ts';
import { type ConnectionFailure, type ConnectionUser, ResourceConnection } from './resource-connection.ts';

/** What is kept for the next way is put together from so many pieces on: each chunk of a byte would cost a hundred. */
const earlyPiecesMax = 64;
const trackingKey = trackingField.toLowerCase();

/** One request. */
export class Exchange implements ConnectionUser, Running {
  readonly #parts: HttpParts;
  readonly #errand: HttpErrand;
  readonly #request: HttpRequest;
  readonly #sink: AnswerSink;
  #connection: ResourceConnection | null = null;
  #way: Way | null = null;
  /** What was sent before the other end took the stream, for the next way. */
  #early: Buffer[] | null = null;
  #earlyTrailers: readonly Field[] | null = null;
  #fresh = false;
  #opened = false;
  #requestEnded: boolean;
  #headSent = false;
  /** The answer is whole. */
  #answered = false;
  #switched = false;
  #over = false;
  #cause: Cause | null = null;
  /** The answer's; 0 before it. */
  #status = 0;
  #bytesBefore = { sent: 0, received: 0 };
  #bytesSeen = 0;
  #quietSince = performance.now();
  /** While the caller takes no more. */
  #untaken: Untaken | null = null;

  constructor(parts: HttpParts, errand: HttpErrand, request: HttpRequest, sink: AnswerSink) {
    this.#parts = parts;
    this.#errand = errand;
    this.#request = request;
    this.#sink = sink;
    this.#requestEnded = request.framing.kind === 'none';
  }

  /** The start of the process that holds the other end of its stream. */
  get process(): ProcessName | null {
    return this.#connection?.stream.peer ?? null;
  }

  get opened(): boolean {
    return this.#opened;
  }

  /** Whether the other end took a new stream for it. */
  get tookStream(): boolean {
    return this.#opened && this.#fresh;
  }

  get bytes(): { fromCaller: number; toCaller: number } {
    const stream = this.#connection?.stream;
    if (stream === undefined) return { fromCaller: 0, toCaller: 0 };
    const { sent, received } = this.#bytesBefore;
    return { fromCaller: stream.bytesSent - sent, toCaller: stream.bytesReceived - received };
  }

  /** Judges the request and sends it. */
  start(): void {
    const cause = this.#errand.whyNot();
    this.#errand.onStart(this);
    if (cause === null) this.#sendNext();
    else this.#fail(cause);
  }

  // ---- from the caller

  /**
   * A piece of the request's body, good for the call; where it lies in a slab it is sent as it lies, which holds that.
   * Returns whether there is room for more.
   */
  sendBody(piece: Buffer, slab: Slab | null = null): boolean {
    if (this.#over) return true;
    this.#quietSince = performance.now();
    if (this.#early !== null) {
      this.#early.push(Buffer.from(piece));
      if (this.#early.length > earlyPiecesMax) this.#early = [Buffer.concat(this.#early)];
    }
    return this.#connection?.sendBody(piece, slab) ?? false;
  }

  /** The request is whole. */
  endRequest(trailers: readonly Field[]): void {
    if (this.#over) return;
    this.#requestEnded = true;
    this.#quietSince = performance.now();
    const passed = trailers.length === 0 ? trailers : forwardTrailers(trailers);
    if (this.#early !== null) this.#earlyTrailers = passed;
    this.#connection?.endRequest(passed);
    if (this.#answered) this.#settle();
  }

  /** Whether more of the request's body is taken now. */
  get hasRoom(): boolean {
    return this.#over || (this.#connection !== null && this.#connection.room > 0);
  }

  /** The caller takes more of the answer. */
  readOn(): void {
    this.#untaken = null;
    this.#connection?.readOn();
  }

  /** The caller has gone, or what it sent can be read no further. */
  cancel(cause: Cause | null): void {
    if (this.#over) return;
    this.#cause = cause;
    this.#drop(ResetCode.Cancelled, cause?.text ?? "the caller's connection was closed");
    if (cause !== null && !this.#headSent) this.#refuse(cause);
    else if (cause !== null && !this.#answered) this.#sink.abort();
    this.#finish(cause);
  }

  // ---- from whoever rules

  /** Ends it at once, both ways; a caller that has had nothing of an answer gets the cause as one. */
  end(cause: Cause, code: ResetCode = ResetCode.Disabled): void {
    if (this.#over) return;
    this.#drop(code, `${cause.code}: ${cause.text}`);
    this.#fail(cause);
  }

  /** Called about once a second: ends what waits too long, for whomever it waits. */
  tick(now: number): void {
    if (this.#over) return;
    const quietMs = now - this.#quietSince;
    const { answerSeconds, idleTimeoutSeconds } = this.#errand;
    const { answerTimeoutMs, bodyTimeoutMs } = this.#parts.bounds;
    if (!this.#opened) {
      if (quietMs >= answerSeconds * 1000) this.end(this.#errand.silence(), ResetCode.Cancelled);
      return;
    }
    if (!this.#headSent && this.#requestEnded && quietMs >= answerTimeoutMs) {
      this.#endLate('answer late', `the resource gave no answer for ${answerTimeoutMs / 1000} s`);
      return;
    }
    if (!this.#requestEnded && this.hasRoom && quietMs >= bodyTimeoutMs) {
      this.#endLate('body slow', `nothing of the request's body came for ${bodyTimeoutMs / 1000} s`);
      return;
    }
    if (!this.#switched && this.#untaken?.isLate(now, this.#sink.unsent, bodyTimeoutMs) === true) {
      this.#endLate(
        'answer not taken',
        `the caller took nothing of the answer for ${bodyTimeoutMs / 1000} s`,
      );
      return;
    }
    if (idleTimeoutSeconds > 0) this.#tickIdle(now, idleTimeoutSeconds);
  }

  #tickIdle(now: number, seconds: number): void {
    const { fromCaller, toCaller } = this.bytes;
    if (fromCaller + toCaller !== this.#bytesSeen) {
      this.#bytesSeen = fromCaller + toCaller;
      this.#quietSince = now;
    } else if (now - this.#quietSince >= seconds * 1000) {
      this.#endLate('idle', `no byte for ${seconds} s, the destination's idle time-out`);
    }
  }

  #endLate(trouble: Trouble, text: string): void {
    this.end(this.#parts.voice.causeOf(trouble, text), ResetCode.Cancelled);
  }

  // ---- to the process that reaches the resource

  #sendNext(): void {
    for (;;) {
      const way = this.#errand.nextWay(() => this.#sendLate());
      if (way === null) {
        // What the caller has sent already is kept, and nothing more is taken from it.
        this.#connection = null;
        this.#early ??= [];
        return;
      }
      if ('code' in way) {
        this.#fail(way);
        return;
      }
      this.#way = way;
      const { destinationId, resourceKey } = this.#errand;
      const kept = this.#parts.pool.take(destinationId, way.peerId, resourceKey);
      try {
        this.#sendOver(kept ?? this.#open(way));
        return;
      } catch (error) {
        if (!(error instanceof TunnelError)) throw error;
        way.onRefused(null, error.message);
      }
    }
  }

  /** What was waited for is there, or will not come. */
  #sendLate(): void {
    this.#sendNext();
    if (this.#connection !== null && this.hasRoom) this.#sink.onRoom();
  }

  #open(way: Way): ResourceConnection {
    const { pool, bounds } = this.#parts;
    const { destinationId, resourceKey } = this.#errand;
    return new ResourceConnection(way.open(), way.peerId, resourceKey, bounds.head, (connection) =>
      pool.forget(destinationId, connection),
    );
  }

  #sendOver(connection: ResourceConnection): void {
    const request = this.#request;
    this.#connection = connection;
    this.#fresh = !connection.opened;
    this.#bytesBefore = { sent: connection.stream.bytesSent, received: connection.stream.bytesReceived };
    this.#quietSince = performance.now();
    const head = formatRequestHead({
      ...request,
      target: `${request.path}${request.query}`,
      authority: this.#errand.names.resource,
      scheme: this.#errand.names.resourceScheme,
      port: this.#errand.port,
      trace: this.#way?.trace ?? null,
    });
    connection.begin(this, request.method, request.framing, head);
    for (const piece of this.#early ?? []) connection.sendBody(piece, null);
    if (this.#requestEnded && request.framing.kind !== 'none')
      connection.endRequest(this.#earlyTrailers ?? []);
    if (this.#fresh) this.#early ??= [];
    else this.onOpened();
  }

  // ---- from the resource

  onOpened(): void {
    this.#early = null;
    if (this.#opened) return;
    this.#opened = true;
    this.#quietSince = performance.now();
    this.#errand.onOpened(this.#fresh);
  }

  onInformation(head: ResponseHead | null): void {
    this.#quietSince = performance.now();
    if (head !== null) this.#sink.sendInformation(head.status, this.#forward(head));
  }

  onHead(head: ResponseHead, framing: Framing): void {
    this.#quietSince = performance.now();
    this.#status = head.status;
    this.#sink.sendHead({ head, framing, fields: this.#forward(head), takesRest: this.#takesRest });
    this.#headSent = true;
  }

  onBody(piece: Buffer, slab: Slab | null): void {
    this.#sink.sendBody(piece, slab);
  }

  onAnswered(trailers: readonly Field[]): void {
    this.#sink.sendEnd(trailers.length === 0 ? trailers : forwardTrailers(trailers));
    this.#sink.flush();
    this.#answered = true;
    if (this.#requestEnded || !this.#takesRest) this.#settle();
  }

  /** Who has not refused the request, and does not close, may want the rest of it all the same (RFC 9110, 7.5). */
  get #takesRest(): boolean {
    return this.#status < 400 && this.#connection?.readsOn === true;
  }

  #settle(): void {
    const connection = this.#connection;
    if (connection !== null) {
      connection.leave();
      if (connection.reusable && !isPersonal(this.#request))
        this.#parts.pool.put(this.#errand.destinationId, connection);
      else if (this.#requestEnded) this.#parts.pool.close(connection);
      else connection.reset(ResetCode.Cancelled, 'the answer came before the request was whole');
    }
    this.#finish(null);
  }

  onSwitched(head: ResponseHead, rest: Buffer): void {
    const connection = this.#connection;
    if (connection === null || this.#request.upgrade === null) {
      const text = 'the resource changed to a protocol that was not asked for';
      this.#cause = this.#parts.voice.causeOf('answer malformed', text);
      connection?.reset(ResetCode.Protocol, text);
      return;
    }
    this.#headSent = true;
    this.#switched = true;
    this.#status = 101;
    const fields = [
      ...this.#forward(head),
      ...head.fields.filter(({ key }) => key === 'upgrade'),
      { name: 'Connection', key: 'connection', value: 'Upgrade' },
    ];
    void this.#sink.switchProtocols(head, fields, connection.stream, rest).then((ended) => {
      const inOrder = ended === null || (ended.origin === 'here' && ended.code === ResetCode.Cancelled);
      this.#finish(
        this.#cause ??
          (inOrder ? null : this.#errand.causeOfReset(ended.code as ResetCode, ended.text, true)),
      );
    });
  }

  onPieceEnd(): boolean {
    const takesMore = this.#sink.flushSoon();
    this.#untaken = takesMore ? null : (this.#untaken ?? new Untaken());
    return takesMore;
  }

  onRoom(): void {
    this.#sink.onRoom();
  }

  onFailed(failure: ConnectionFailure): void {
    const { code, text, origin, fault, cut } = failure;
    if (this.#over) return;
    if (this.#answered) {
      this.#finish(null);
      return;
    }
    if (
      this.#early !== null &&
      origin === 'peer' &&
      fault === undefined &&
      cut !== true &&
      saysNothingReached(code)
    ) {
      this.#way?.onRefused(code, text);
      this.#sendNext();
      return;
    }
    const cause = this.#cause ?? this.#causeOf(failure);
    if (this.#headSent && !this.#switched) {
      this.#sink.breakOff();
      this.#finish(cause);
    } else this.#fail(cause);
  }

  #causeOf({ code, text, fault, cut }: ConnectionFailure): Cause {
    const { voice } = this.#parts;
    if (fault !== undefined) return voice.causeOf('answer malformed', `the resource's answer: ${text}`);
    if (cut === true) return voice.causeOf('answer cut', text);
    return this.#errand.causeOfReset(code, text, this.#opened);
  }

  #forward(head: ResponseHead): Field[] {
    const fields = forwardAnswer(head.fields, head.minor === 1 ? '1.1' : '1.0', this.#errand.names);
    fields.push({ name: trackingField, key: trackingKey, value: this.#request.trackingId });
    return fields;
  }

  // ---- ends

  /** Lets the connection go without hearing of it again. */
  #drop(code: ResetCode, text: string): void {
    const connection = this.#connection;
    if (connection === null || connection.stream.phase === 'over') return;
    if (!this.#switched) connection.leave();
    connection.reset(code, text);
  }

  #fail(cause: Cause): void {
    if (this.#over) return;
    this.#cause = cause;
    if (!this.#headSent) this.#refuse(cause);
    else if (!this.#switched && !this.#answered) this.#sink.abort();
    this.#finish(cause);
  }

  #refuse(cause: Cause): void {
    this.#headSent = true;
    this.#status = this.#parts.voice.statusOf(cause.code);
    this.#sink.sendRefusal(cause);
  }

  #finish(cause: Cause | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#early = null;
    this.#errand.onOver(cause, this.#status);
    this.#sink.onOver();
  }
}
