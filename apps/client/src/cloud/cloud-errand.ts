/**
 * What a caller of a cloud destination wants, a TCP connection, a UDP flow or a request: judged by both lists of this client,
 * carried to the resource by a stream that a node dials for. The node asks its lists about the place and who calls; of paths
 * it sees none.
 */
import type { CloudDestination, CloudOpenMetadata } from '@postern/contracts';
import type { AccessTarget } from '@postern/access';
import {
  type CallerAddress,
  type Cause,
  type Errand,
  type HttpErrand,
  type HttpRequest,
  type Running,
  type Way,
  pathsOf,
} from '@postern/exchange';
import { type AnswerNames, authorityOf } from '@postern/http';
import { type ProcessName, ResetCode, type Session } from '@postern/tunnel';
import type { TraceSpan } from '@postern/telemetry';
import type { AccessGuard } from '../resource/access-guard.ts';
import { type TracingSource, startCloudCaller, startCloudOpening } from '../traces.ts';
import { type CloudCause, causeOfReset } from './cause.ts';
import { NodeChoice, type NodeChoiceParts, answerSecondsMax } from './node-choice.ts';
import { cloudCauseOf, httpCauseOf } from './voice.ts';

/** A UDP flow that is silent for so long is over, where its destination has no idle time-out of its own. */
const flowIdleSeconds = 60;

/** What an errand needs of its gateway's client. */
export interface CloudErrandParts extends NodeChoiceParts {
  readonly guard: AccessGuard;
  readonly tracing: TracingSource;
  onStart(errand: CloudErrand): void;
  /** It is over. `cause` is null when in order, or when the caller itself went. */
  onOver(errand: CloudErrand, cause: CloudCause | null): void;
}

/** One caller's bytes, or of `CloudRequest` one request's. */
export class CloudErrand implements Errand {
  readonly destination: CloudDestination;
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly answerSeconds = answerSecondsMax;
  readonly idleTimeoutSeconds: number;
  /** Where it is traced. */
  readonly span: TraceSpan | null;
  readonly #parts: CloudErrandParts;
  readonly #target: AccessTarget;
  readonly #nodes: NodeChoice;
  #openingSpan: TraceSpan | null = null;
  #running: Running | null = null;

  /** `paths`: of a request. */
  constructor(
    parts: CloudErrandParts,
    destination: CloudDestination,
    { trackingId, address }: { trackingId: string; address: CallerAddress },
    paths: ReturnType<typeof pathsOf> = {},
  ) {
    this.#parts = parts;
    this.#nodes = new NodeChoice(parts, destination);
    this.destination = destination;
    this.trackingId = trackingId;
    this.address = address;
    const { host, port, protocol, idleTimeoutSeconds } = destination;
    this.#target = { host, port, ...paths };
    this.idleTimeoutSeconds = idleTimeoutSeconds || (protocol === 'udp' ? flowIdleSeconds : 0);
    this.span = startCloudCaller(parts.tracing, destination, trackingId, address);
  }

  /** Whether a node has reached the resource for it. */
  get opened(): boolean {
    return this.#running?.opened === true;
  }

  /** A list has changed. */
  judgeAgain(): void {
    const denial = this.whyNot();
    if (denial !== null) this.#running?.end(denial, ResetCode.Denied);
  }

  end(cause: CloudCause, code: ResetCode): void {
    this.#running?.end(httpCauseOf(cause), code);
  }

  tick(now: number): void {
    this.#running?.tick(now);
  }

  whyNot(): Cause | null {
    const decision = this.#parts.guard.decide(this.#target);
    return decision.allowed ? null : httpCauseOf({ code: 'CLIENT_DENIED', text: decision.reason });
  }

  nextWay(): Way | Cause {
    const session = this.#nodes.next();
    return 'code' in session ? httpCauseOf(session) : this.#wayBy(session);
  }

  hasOther({ id }: ProcessName): boolean {
    return this.#nodes.hasOther(id);
  }

  silence(): Cause {
    const text = `the node gave no answer for ${answerSecondsMax} s`;
    return httpCauseOf({ code: 'CLIENT_EDGE_SILENT', text });
  }

  causeOfReset(code: ResetCode, text: string, opened: boolean): Cause {
    return httpCauseOf(causeOfReset(code, text, opened));
  }

  onStart(running: Running): void {
    this.#running = running;
    this.#parts.onStart(this);
  }

  /** Of a request the span goes on until it is answered. */
  onOpened(): void {
    if (this.destination.protocol !== 'http') this.#endOpeningSpan(null);
  }

  onOver(cause: Cause | null, status: number): void {
    this.#endOpeningSpan(cause);
    this.#endSpan(cause, status);
    this.#parts.onOver(this, cause === null ? null : cloudCauseOf(cause));
  }

  #endOpeningSpan(cause: Pick<Cause, 'code' | 'text'> | null): void {
    this.#openingSpan?.end(cause === null ? null : { type: cause.code, message: cause.text });
    this.#openingSpan = null;
  }

  #endSpan(cause: Cause | null, status: number): void {
    if (this.span === null) return;
    const { fromCaller = 0, toCaller = 0 } = this.#running?.bytes ?? {};
    this.span.set({ 'postern.bytes.from_caller': fromCaller, 'postern.bytes.to_caller': toCaller });
    if (status > 0) this.span.set({ 'http.response.status_code': status });
    this.span.end(cause === null ? null : { type: cause.code, message: cause.text });
  }

  #wayBy(session: Session): Way {
    this.#openingSpan = startCloudOpening(this.#parts.tracing, this.span, session.peer.id);
    return {
      peerId: session.peer.id,
      trace: this.#openingSpan?.context ?? null,
      open: () => this.#nodes.open(session, this.#metadata()),
      onRefused: (code, text) => {
        const cause: CloudCause =
          code === null ? { code: 'CLIENT_TUNNELS_FULL', text } : causeOfReset(code, text, false);
        this.#nodes.noteCause(cause);
        this.#endOpeningSpan(cause);
      },
    };
  }

  #metadata(): CloudOpenMetadata {
    const { id: destinationId, protocol, host, port } = this.destination;
    const { trackingId, address: caller } = this;
    const traceparent = this.#openingSpan?.context.traceparent;
    return {
      destinationId,
      protocol,
      // A request's path was asked about for this resource, and no other.
      ...(protocol === 'http' ? { resource: { host, port } } : {}),
      trackingId,
      ...(traceparent === undefined ? {} : { traceparent }),
      caller,
    };
  }
}

/** One request's. */
export class CloudRequest extends CloudErrand implements HttpErrand {
  readonly destinationId: string;
  readonly resourceKey: string;
  readonly names: AnswerNames;
  readonly port: number;

  /** `connectionId`: source rules are the node's to ask, by who opened a stream, so streams serve one caller's connection. */
  constructor(
    parts: CloudErrandParts,
    destination: CloudDestination,
    connectionId: string,
    request: HttpRequest,
  ) {
    const { path, method } = request;
    super(parts, destination, request, pathsOf(request));
    this.destinationId = destination.id;
    this.resourceKey = `${connectionId} ${JSON.stringify(destination)}`;
    this.names = namesOf(destination, request);
    this.port = destination.clientPort;
    this.span?.set({ 'http.request.method': method, 'url.path': path });
  }
}

/** As the node calls a resource of its fronts. HTTP/1.0 need not say whom it calls; then there is no name to rewrite to. */
function namesOf({ host, port, http }: CloudDestination, { caller }: HttpRequest): AnswerNames {
  const resourceScheme = http?.secure === true ? 'https' : 'http';
  const resource = authorityOf(http?.host ?? host, port, resourceScheme);
  const front = caller.authority === '' ? resource : caller.authority;
  return { resource, resourceScheme, front, frontScheme: caller.scheme };
}
