/**
 * One request and its answer, from judgement to the last byte. Both messages stream at once and neither is gathered; an
 * answer may come before the request is whole.
 *
 *     judged ──► sent to a client ──OPENED──► answered ──► over
 *        │          │     ▲                      │ 101: bytes both ways
 *        │          └─────┘ nothing was reached  │
 *        ▼              (the same bytes again)   ▼
 *      refused, with a page                    aborted: the caller sees that the answer is not whole
 *
 * A request that may have reached its resource is never sent again, whatever its method: only a RESET that says that
 * nothing was reached leads to the next client.
 */
import type { Feature, Route } from '@postern/contracts';
import {
  type Field,
  type Framing,
  type ResponseHead,
  forwardAnswer,
  forwardTrailers,
  formatRequestHead,
  trackingField,
} from '@postern/http';
import {
  type ProcessName,
  ResetCode,
  type Slab,
  TunnelError,
  saysNothingReached,
  saysPathRefused,
} from '@postern/tunnel';
import type { RunningCaller } from '../callers.ts';
import { type CallerCause, causeOfReset } from '../errors.ts';
import { type CallerAddress, type Target, judgeNew, judgeOwn, judgeRunning } from '../judgement.ts';
import { featuresToServe, openMetadataOf, openStream } from '../open-metadata.ts';
import { accessListOf } from '../rulebook.ts';
import { type Upstream, capable, noClient, pickUpstream } from '../upstream.ts';
import { type HttpParts, type ResourceNames, namesOf, resourceKeyOf } from './parts.ts';
import type { AnswerSink, HttpRequest } from './request.ts';
import { type ConnectionFailure, type ConnectionUser, ResourceConnection } from './resource-connection.ts';

const triesMax = 8;
const connectTimeoutSecondsMax = 180;
const answerGraceSeconds = 5;

/** One request. */
export class Exchange implements RunningCaller, ConnectionUser {
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly gatewayId: string;
  readonly destinationId: string;
  readonly target: Target;
  readonly #parts: HttpParts;
  readonly #route: Route;
  readonly #request: HttpRequest;
  readonly #sink: AnswerSink;
  readonly #names: ResourceNames;
  readonly #needs: readonly Feature[];
  readonly #tried = new Set<string>();
  #connection: ResourceConnection | null = null;
  #upstream: Upstream | null = null;
  /** What was sent before the client took the stream, for the next client. */
  #early: Buffer[] | null = null;
  #earlyTrailers: readonly Field[] | null = null;
  #fresh = false;
  #opened = false;
  #requestEnded: boolean;
  #headSent = false;
  #switched = false;
  #over = false;
  #cause: CallerCause | null = null;
  #lastCause: CallerCause | null = null;
  #status = 0;
  #bytesBefore = { sent: 0, received: 0 };
  #bytesSeen = 0;
  #quietSince = performance.now();

  constructor(parts: HttpParts, route: Route, request: HttpRequest, sink: AnswerSink) {
    this.#parts = parts;
    this.#route = route;
    this.#request = request;
    this.#sink = sink;
    this.#names = namesOf(route, request.caller);
    this.#needs = featuresToServe(route);
    this.trackingId = request.trackingId;
    this.address = request.address;
    this.gatewayId = route.gatewayId;
    this.destinationId = route.id;
    const { host, port } = route.resource;
    this.target = request.path === '*' ? { host, port } : { host, port, path: request.path };
    this.#requestEnded = request.framing.kind === 'none';
  }

  get clientId(): string | null {
    return this.#upstream?.clientId ?? null;
  }

  get clientProcess(): ProcessName | null {
    return this.#connection?.stream.peer ?? null;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get tookStream(): boolean {
    return this.#opened && this.#fresh;
  }

  /** The status of the answer; 0 before it. */
  get status(): number {
    return this.#status;
  }

  get bytes(): { fromCaller: number; toCaller: number } {
    const stream = this.#connection?.stream;
    if (stream === undefined) return { fromCaller: 0, toCaller: 0 };
    const { sent, received } = this.#bytesBefore;
    return { fromCaller: stream.bytesSent - sent, toCaller: stream.bytesReceived - received };
  }

  /** Judges the request and sends it. */
  start(): void {
    const cause = this.#parts.whyFull() ?? this.#judge();
    this.#parts.onStart(this);
    if (cause === null) this.#sendNext();
    else this.#fail(cause);
  }

  /** The rules are the same objects until they change, and so is their answer where no rule has a path. */
  #judge(): CallerCause | null {
    const policy = this.#parts.policy(this.gatewayId);
    const { connection } = this.#request;
    if (connection.allowed?.route === this.#route && connection.allowed.policy === policy) return null;
    const cause = judgeNew(this.#route, policy, this.address, this.target);
    const lasts = cause === null && policy !== undefined && !accessListOf(policy).hasPaths;
    connection.allowed = lasts ? { route: this.#route, policy } : null;
    return cause;
  }

  // ---- from the caller

  /**
   * A piece of the request's body, good for the call; where it lies in a slab it is sent as it lies, which holds that.
   * Returns whether there is room for more.
   */
  sendBody(piece: Buffer, slab: Slab | null = null): boolean {
    const connection = this.#connection;
    if (connection === null) return true;
    this.#quietSince = performance.now();
    this.#early?.push(Buffer.from(piece));
    return connection.sendBody(piece, slab);
  }

  /** The request is whole. */
  endRequest(trailers: readonly Field[]): void {
    if (this.#over) return;
    this.#requestEnded = true;
    this.#quietSince = performance.now();
    const passed = trailers.length === 0 ? trailers : forwardTrailers(trailers);
    if (this.#early !== null) this.#earlyTrailers = passed;
    this.#connection?.endRequest(passed);
  }

  /** Whether more of the request's body is taken now. */
  get hasRoom(): boolean {
    return this.#connection === null || this.#connection.room > 0;
  }

  /** The caller takes more of the answer. */
  readOn(): void {
    this.#connection?.readOn();
  }

  /** The caller has gone, or what it sent can be read no further. */
  cancel(cause: CallerCause | null): void {
    if (this.#over) return;
    this.#cause = cause;
    this.#drop(ResetCode.Cancelled, cause?.text ?? "the caller's connection was closed");
    if (cause !== null && !this.#headSent) this.#refuse(cause);
    else if (cause !== null) this.#sink.abort();
    this.#finish(cause);
  }

  // ---- from whoever rules

  judgeAgain(route: Route | undefined): void {
    const cause = judgeRunning(route, this.#parts.policy(this.gatewayId), this.address, this.target);
    if (cause !== null) this.end(cause);
  }

  end(cause: CallerCause, code: ResetCode = ResetCode.Disabled): void {
    if (this.#over) return;
    this.#drop(code, `${cause.code}: ${cause.text}`);
    this.#fail(cause);
  }

  tick(now: number): void {
    if (this.#over) return;
    const quietMs = now - this.#quietSince;
    const { connectTimeoutSeconds, idleTimeoutSeconds } = this.#route.resource;
    const { answerTimeoutMs, bodyTimeoutMs } = this.#parts.bounds;
    if (!this.#opened) {
      const seconds = (connectTimeoutSeconds || connectTimeoutSecondsMax) + answerGraceSeconds;
      if (quietMs >= seconds * 1000)
        this.#endLate(
          'EDGE_CLIENT_SILENT',
          `client ${this.clientId} gave no answer for ${seconds} s`,
          'client',
        );
      return;
    }
    if (!this.#headSent && this.#requestEnded && quietMs >= answerTimeoutMs) {
      this.#endLate(
        'EDGE_HTTP_ANSWER_LATE',
        `the resource gave no answer for ${answerTimeoutMs / 1000} s`,
        'resource',
      );
      return;
    }
    if (!this.#requestEnded && this.hasRoom && quietMs >= bodyTimeoutMs) {
      this.#endLate(
        'EDGE_HTTP_BODY_SLOW',
        `nothing of the request's body came for ${bodyTimeoutMs / 1000} s`,
        'edge',
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
      this.#endLate('EDGE_IDLE', `no byte for ${seconds} s, the destination's idle time-out`, 'edge');
    }
  }

  #endLate(code: CallerCause['code'], text: string, end: CallerCause['end']): void {
    this.end({ code, text, end }, ResetCode.Cancelled);
  }

  // ---- to a client

  #sendNext(): void {
    for (;;) {
      const policy = this.#parts.policy(this.gatewayId);
      const upstream = this.#tried.size < triesMax ? this.#pick() : null;
      if (upstream === null || policy === undefined) {
        const ways = this.#parts.upstreams(this.gatewayId);
        this.#fail(this.#lastCause ?? noClient(this.#route, ways, this.#needs));
        return;
      }
      const denied = judgeOwn(policy, upstream.ownList, this.target);
      if (denied !== null) {
        this.#lastCause = denied;
        this.#tried.add(upstream.clientId);
        continue;
      }
      this.#upstream = upstream;
      const { clientId } = upstream;
      const kept = this.#parts.pool.take(this.destinationId, clientId, resourceKeyOf(this.#route));
      try {
        this.#sendOver(kept ?? this.#open(upstream));
        return;
      } catch (error) {
        if (!(error instanceof TunnelError)) throw error;
        this.#lastCause = { code: 'EDGE_CLIENT_LIMIT', text: error.message, end: 'edge' };
        this.#tried.add(upstream.id);
      }
    }
  }

  #pick(): Upstream | null {
    const ways = capable(this.#parts.upstreams(this.gatewayId), this.#needs);
    return pickUpstream(ways, this.#tried, (clientId) => this.#parts.isWell(clientId, this.destinationId));
  }

  #open(upstream: Upstream): ResourceConnection {
    const metadata = { ...openMetadataOf(this.#route, this.trackingId, this.address), somePath: true };
    const { pool, bounds, compression } = this.#parts;
    const stream = openStream(upstream, this.#route, metadata, compression);
    return new ResourceConnection(
      stream,
      upstream.clientId,
      resourceKeyOf(this.#route),
      bounds.head,
      (connection) => pool.forget(this.destinationId, connection),
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
      authority: this.#names.resource,
      port: this.#route.front?.port ?? 0,
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
    this.#parts.onOpened(this, this.#fresh);
  }

  onInformation(head: ResponseHead): void {
    this.#quietSince = performance.now();
    this.#sink.sendInformation(head.status, this.#forward(head));
  }

  onHead(head: ResponseHead, framing: Framing): void {
    this.#headSent = true;
    this.#status = head.status;
    this.#quietSince = performance.now();
    this.#sink.sendHead({ head, framing, fields: this.#forward(head) });
  }

  onBody(piece: Buffer, slab: Slab | null): void {
    this.#sink.sendBody(piece, slab);
  }

  onAnswered(trailers: readonly Field[]): void {
    this.#sink.sendEnd(trailers.length === 0 ? trailers : forwardTrailers(trailers));
    this.#sink.flush();
    const connection = this.#connection;
    if (connection !== null) {
      connection.leave();
      if (connection.reusable && !this.#isPersonal) this.#parts.pool.put(this.destinationId, connection);
      else if (this.#requestEnded) this.#parts.pool.close(connection);
      else connection.reset(ResetCode.Cancelled, 'the answer came before the request was whole');
    }
    this.#finish(null);
  }

  onSwitched(head: ResponseHead, rest: Buffer): void {
    const connection = this.#connection;
    if (connection === null || this.#request.upgrade === null) {
      const text = 'the resource changed to a protocol that was not asked for';
      this.#cause = { code: 'EDGE_HTTP_ANSWER_MALFORMED', text, end: 'resource' };
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
      this.#finish(this.#cause ?? (inOrder ? null : causeOfReset(ended.code, ended.text, true)));
    });
  }

  onPieceEnd(): boolean {
    return this.#sink.flush();
  }

  onRoom(): void {
    this.#sink.onRoom();
  }

  onFailed(failure: ConnectionFailure): void {
    const { code, text, origin, fault, cut } = failure;
    if (this.#over) return;
    if (
      this.#early !== null &&
      origin === 'peer' &&
      fault === undefined &&
      cut !== true &&
      saysNothingReached(code)
    ) {
      this.#lastCause = causeOfReset(code, text, false);
      // What the path refused the same client may take by another.
      const refused = saysPathRefused(code) ? this.#upstream?.id : this.#upstream?.clientId;
      if (refused !== undefined) this.#tried.add(refused);
      this.#sendNext();
      return;
    }
    this.#fail(this.#cause ?? this.#causeOf(failure));
  }

  #causeOf({ code, text, fault, cut }: ConnectionFailure): CallerCause {
    if (fault !== undefined)
      return { code: 'EDGE_HTTP_ANSWER_MALFORMED', text: `the resource's answer: ${text}`, end: 'resource' };
    if (cut === true) return { code: 'EDGE_HTTP_ANSWER_CUT', text, end: 'resource' };
    return causeOfReset(code, text, this.#opened);
  }

  #forward(head: ResponseHead): Field[] {
    const fields: Field[] = [];
    forwardAnswer(head.fields, head.minor === 1 ? '1.1' : '1.0', this.#names, (name, value) => {
      fields.push({ name, key: '', value });
    });
    fields.push({ name: trackingField, key: '', value: this.trackingId });
    return fields;
  }

  /** NTLM and Negotiate make a connection somebody's own: no other caller may have it. */
  get #isPersonal(): boolean {
    return this.#request.fields.some(
      ({ key, value }) => key === 'authorization' && /^(?:ntlm|negotiate)\b/i.test(value),
    );
  }

  // ---- ends

  /** Lets the connection go without hearing of it again. */
  #drop(code: ResetCode, text: string): void {
    const connection = this.#connection;
    if (connection === null || connection.stream.phase === 'over') return;
    if (!this.#switched) connection.leave();
    connection.reset(code, text);
  }

  #fail(cause: CallerCause): void {
    if (this.#over) return;
    this.#cause = cause;
    if (!this.#headSent) this.#refuse(cause);
    else if (!this.#switched) this.#sink.abort();
    this.#finish(cause);
  }

  #refuse(cause: CallerCause): void {
    this.#headSent = true;
    this.#status = this.#parts.statusOf(cause);
    this.#sink.sendRefusal(cause);
  }

  #finish(cause: CallerCause | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#early = null;
    this.#parts.onOver(this, cause);
    this.#sink.onOver();
  }
}
