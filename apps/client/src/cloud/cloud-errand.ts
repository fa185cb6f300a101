/**
 * A request to the client's own listener: judged by both lists of this client on the path that is sent, carried to the
 * resource by a stream that a node dials for. The node asks its lists about the place and who calls; of paths it sees none.
 */
import type { CloudDestination, CloudOpenMetadata } from '@postern/contracts';
import type { CallerAddress, Cause, Errand, HttpRequest, RunningExchange, Way } from '@postern/exchange';
import { type AnswerNames, authorityOf } from '@postern/http';
import { ResetCode, type Session } from '@postern/tunnel';
import type { TraceSpan } from '@postern/telemetry';
import type { AccessGuard } from '../access-guard.ts';
import { type TracingSource, startCloudCaller, startCloudOpening } from '../traces.ts';
import { type CloudCause, causeOfReset } from './cause.ts';
import { NodeChoice, type NodeChoiceParts, answerSecondsMax } from './node-choice.ts';
import { cloudCauseOf, httpCauseOf } from './voice.ts';

/** What an errand needs of its gateway's client. */
export interface CloudErrandParts extends NodeChoiceParts {
  readonly guard: AccessGuard;
  readonly tracing: TracingSource;
  onStart(errand: CloudErrand): void;
  /** The request is over. `cause` is null when in order, or when the caller itself went. */
  onOver(errand: CloudErrand, cause: CloudCause | null): void;
}

/** One request's. */
export class CloudErrand implements Errand {
  readonly destination: CloudDestination;
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly destinationId: string;
  readonly resourceKey: string;
  readonly names: AnswerNames;
  readonly port: number;
  readonly answerSeconds = answerSecondsMax;
  readonly idleTimeoutSeconds: number;
  readonly #parts: CloudErrandParts;
  readonly #path: string;
  readonly #nodes: NodeChoice;
  /** Where it is traced. */
  readonly #span: TraceSpan | null;
  #openingSpan: TraceSpan | null = null;
  #exchange: RunningExchange | null = null;

  /** `connectionId`: source rules are the node's to ask, by who opened a stream, so streams serve one caller's connection. */
  constructor(
    parts: CloudErrandParts,
    destination: CloudDestination,
    connectionId: string,
    request: HttpRequest,
  ) {
    this.#parts = parts;
    this.#path = request.path;
    this.#nodes = new NodeChoice(parts, destination);
    this.destination = destination;
    this.trackingId = request.trackingId;
    this.address = request.address;
    this.destinationId = destination.id;
    this.resourceKey = `${connectionId} ${JSON.stringify(destination)}`;
    this.names = namesOf(destination, request);
    this.port = destination.clientPort;
    this.idleTimeoutSeconds = destination.idleTimeoutSeconds;
    this.#span = startCloudCaller(parts.tracing, destination, this.trackingId, this.address);
    this.#span?.set({ 'http.request.method': request.method, 'url.path': request.path });
  }

  get opened(): boolean {
    return this.#exchange?.opened === true;
  }

  /** A list has changed. */
  judgeAgain(): void {
    const denial = this.#denial();
    if (denial !== null) this.end(denial, ResetCode.Denied);
  }

  end(cause: CloudCause, code: ResetCode): void {
    this.#exchange?.end(httpCauseOf(cause), code);
  }

  tick(now: number): void {
    this.#exchange?.tick(now);
  }

  whyNot(): Cause | null {
    const denial = this.#denial();
    return denial === null ? null : httpCauseOf(denial);
  }

  nextWay(): Way | Cause {
    const session = this.#nodes.next();
    return 'code' in session ? httpCauseOf(session) : this.#wayBy(session);
  }

  silence(): Cause {
    const text = `the node gave no answer for ${answerSecondsMax} s`;
    return httpCauseOf({ code: 'CLIENT_EDGE_SILENT', text });
  }

  causeOfReset(code: ResetCode, text: string, opened: boolean): Cause {
    return httpCauseOf(causeOfReset(code, text, opened));
  }

  onStart(exchange: RunningExchange): void {
    this.#exchange = exchange;
    this.#parts.onStart(this);
  }

  onOpened(): void {}

  onOver(cause: Cause | null): void {
    this.#endOpeningSpan(cause);
    const { status = 0 } = this.#exchange ?? {};
    if (status > 0) this.#span?.set({ 'http.response.status_code': status });
    this.#span?.end(cause === null ? null : { type: cause.code, message: cause.text });
    this.#parts.onOver(this, cause === null ? null : cloudCauseOf(cause));
  }

  #endOpeningSpan(cause: Pick<Cause, 'code' | 'text'> | null): void {
    this.#openingSpan?.end(cause === null ? null : { type: cause.code, message: cause.text });
    this.#openingSpan = null;
  }

  #denial(): CloudCause | null {
    const { host, port } = this.destination;
    const target = this.#path === '*' ? { host, port } : { host, port, path: this.#path };
    const decision = this.#parts.guard.decide(target);
    return decision.allowed ? null : { code: 'CLIENT_DENIED', text: decision.reason };
  }

  #wayBy(session: Session): Way {
    this.#openingSpan = startCloudOpening(this.#parts.tracing, this.#span, session.peer.id);
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
    const traced = traceparent === undefined ? {} : { traceparent };
    return { destinationId, protocol, resource: { host, port }, trackingId, ...traced, caller };
  }
}

/** As the node calls a resource of its fronts. HTTP/1.0 need not say whom it calls; then there is no name to rewrite to. */
function namesOf({ host, port, http }: CloudDestination, { caller }: HttpRequest): AnswerNames {
  const resourceScheme = http?.secure === true ? 'https' : 'http';
  const resource = authorityOf(http?.host ?? host, port, resourceScheme);
  const front = caller.authority === '' ? resource : caller.authority;
  return { resource, resourceScheme, front, frontScheme: caller.scheme };
}
