/**
 * A request to an HTTP front: judged by the gateway's rules and each client's own list, sent by a client's tunnel or
 * another node's relay. To the node it is a caller like any other, which rules, clients and operators may end.
 */
import type { AccessList } from '@postern/access';
import type { Feature, FrontRoute, Policy, Route } from '@postern/contracts';
import type { Cause, ConnectionFacts, HttpErrand, HttpRequest, Running, Way } from '@postern/exchange';
import type { AnswerNames } from '@postern/http';
import type { AnsweredRequest, TraceSpan } from '@postern/telemetry';
import { type Compression, type ProcessName, type ResetCode, saysPathRefused } from '@postern/tunnel';
import type { RunningCaller } from '../running-caller.ts';
import { type CallerCause, causeOfReset } from '../errors.ts';
import { type CallerAddress, type Target, judgeNew, judgeOwn, judgeRunning } from '../judgement.ts';
import { featuresToServe, openMetadataOf, openStream } from '../open-metadata.ts';
import { accessListOf } from '../rulebook.ts';
import { type Traces, endRequest, errorOf, statusAttributes } from '../traces.ts';
import type { StopWaiting, WaitForTunnel } from '../tunnel-gaps.ts';
import { type Upstream, capable, noClient, pickUpstream } from '../upstream.ts';
import { type Revisions, namesOf, resourceKeyOf } from './resource-names.ts';
import { callerCauseOf } from './voice.ts';

const triesMax = 8;
const connectTimeoutSecondsMax = 180;
const answerGraceSeconds = 5;

/** What an errand needs of the node. */
export interface FrontErrandParts {
  revisions: Revisions;
  compression: Compression;
  policy(gatewayId: string): Policy | undefined;
  upstreams(gatewayId: string): Iterable<Iterable<Upstream>>;
  /** A client's own list as it is now; undefined where nothing is known of it any more. */
  ownList(gatewayId: string, client: ProcessName): AccessList | null | undefined;
  /** Whether the client has found the resource well, or does not check it. */
  isWell(clientId: string, destinationId: string): boolean;
  waitForTunnel: WaitForTunnel;
  /** Null where no traces are wanted. */
  traces: Traces | null;
  /** Why no further request may wait for a client; null when it may. */
  whyFull(gatewayId: string): CallerCause | null;
  onStart(errand: FrontErrand): void;
  onOpened(errand: FrontErrand, fresh: boolean): void;
  onOver(errand: FrontErrand, cause: CallerCause | null): void;
}

/** What a request of a connection was last allowed by, where its path did not matter: the next need not be judged. */
const allowed = new WeakMap<ConnectionFacts, { route: Route; policy: Policy }>();

/** One request's. */
export class FrontErrand implements HttpErrand, RunningCaller {
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly gatewayId: string;
  readonly destinationId: string;
  readonly target: Target;
  readonly resourceKey: string;
  readonly names: AnswerNames;
  readonly port: number;
  readonly answerSeconds: number;
  readonly idleTimeoutSeconds: number;
  readonly #connectTimeoutSeconds: number;
  /** Where it is traced. */
  readonly span: TraceSpan | null;
  readonly #parts: FrontErrandParts;
  readonly #route: FrontRoute;
  readonly #connection: ConnectionFacts;
  readonly #needs: readonly Feature[];
  readonly #request: Pick<HttpRequest, 'method' | 'caller'>;
  readonly #startedAt = performance.now();
  /** Where there are traces: the request's context, sampled or not. */
  readonly #trace: TraceSpan | null;
  /** What is asked of a client now, where the request is traced. */
  #askingSpan: TraceSpan | null = null;
  readonly #tried = new Set<string>();
  #exchange: Running | null = null;
  /** Of the answer; 0 before it. */
  #status = 0;
  #upstream: Upstream | null = null;
  #stopWaiting: StopWaiting | null = null;
  #lastCause: CallerCause | null = null;

  constructor(parts: FrontErrandParts, route: FrontRoute, request: HttpRequest) {
    this.#parts = parts;
    this.#route = route;
    this.#connection = request.connection;
    this.#needs = featuresToServe(route);
    this.#request = request;
    this.#trace = parts.traces?.startRequest(route, request) ?? null;
    this.span = this.#trace?.sampled === true ? this.#trace : null;
    this.trackingId = request.trackingId;
    this.address = request.address;
    this.gatewayId = route.gatewayId;
    this.destinationId = route.id;
    const { host, port, connectTimeoutSeconds, idleTimeoutSeconds } = route.resource;
    this.target = request.path === '*' ? { host, port } : { host, port, path: request.path };
    this.resourceKey = resourceKeyOf(route, parts.revisions);
    this.names = namesOf(route, request.caller);
    this.port = route.front.port;
    this.#connectTimeoutSeconds = connectTimeoutSeconds || connectTimeoutSecondsMax;
    this.answerSeconds = this.#connectTimeoutSeconds + answerGraceSeconds;
    this.idleTimeoutSeconds = idleTimeoutSeconds;
  }

  // ---- for the exchange

  /** The rules are the same objects until they change, and so is their answer where no rule has a path. */
  whyNot(): Cause | null {
    const full = this.#parts.whyFull(this.gatewayId);
    if (full !== null) return full;
    const policy = this.#parts.policy(this.gatewayId);
    const last = allowed.get(this.#connection);
    if (last?.route === this.#route && last.policy === policy) return null;
    const cause = judgeNew(this.#route, policy, this.address, this.target);
    if (cause === null && policy !== undefined && !accessListOf(policy).hasPaths)
      allowed.set(this.#connection, { route: this.#route, policy });
    else allowed.delete(this.#connection);
    return cause;
  }

  /** A gateway that had a tunnel until a moment ago is waited for. */
  nextWay(retry: () => void): Way | Cause | null {
    for (;;) {
      const policy = this.#parts.policy(this.gatewayId);
      const upstream = this.#tried.size < triesMax ? this.#pick() : null;
      if (upstream === null || policy === undefined) {
        const ways = this.#parts.upstreams(this.gatewayId);
        const cause = this.#lastCause ?? noClient(this.#route, ways, this.#needs);
        return cause.code === 'EDGE_NO_CLIENT' && this.#wait(retry) ? null : cause;
      }
      const denied = judgeOwn(policy, upstream.ownList, this.target);
      if (denied === null) return this.#wayBy(upstream);
      this.#lastCause = denied;
      this.#tried.add(upstream.clientId);
    }
  }

  #wait(retry: () => void): boolean {
    const until = this.#startedAt + this.#connectTimeoutSeconds * 1000;
    this.#stopWaiting = this.#parts.waitForTunnel(this.gatewayId, until, retry);
    return this.#stopWaiting !== null;
  }

  #pick(): Upstream | null {
    const ways = capable(this.#parts.upstreams(this.gatewayId), this.#needs);
    return pickUpstream(ways, this.#tried, (clientId) => this.#parts.isWell(clientId, this.destinationId));
  }

  #wayBy(upstream: Upstream): Way {
    this.#upstream = upstream;
    const { id, clientId } = upstream;
    const asking = this.#startAsking(upstream);
    return {
      peerId: clientId,
      trace: (asking ?? this.#trace)?.context ?? null,
      open: () => {
        const metadata = openMetadataOf(this.#route, this.trackingId, this.address, asking);
        const { compression } = this.#parts;
        return openStream(upstream, this.#route, { ...metadata, somePath: true }, compression);
      },
      onRefused: (code, text) => {
        if (code === null) this.#lastCause = { code: 'EDGE_CLIENT_LIMIT', text, end: 'edge' };
        else this.#lastCause = causeOfReset(code, text, false);
        this.#endAsking(this.#lastCause);
        // What the path refused the same client may take by another.
        this.#tried.add(code === null || saysPathRefused(code) ? id : clientId);
      },
    };
  }

  #startAsking(upstream: Upstream): TraceSpan | null {
    if (this.span === null) return null;
    const { method } = this.#request;
    const { host, port } = this.#route.resource;
    const attributes = { 'http.request.method': method, 'server.address': host, 'server.port': port };
    this.#askingSpan = this.#parts.traces?.startOpening(this.span, method, upstream, attributes) ?? null;
    return this.#askingSpan;
  }

  #endAsking(cause: CallerCause | null): void {
    this.#askingSpan?.end(errorOf(cause));
    this.#askingSpan = null;
  }

  silence(): CallerCause {
    const text = `client ${this.clientId} gave no answer for ${this.answerSeconds} s`;
    return { code: 'EDGE_CLIENT_SILENT', text, end: 'client' };
  }

  causeOfReset(code: ResetCode, text: string, opened: boolean): CallerCause {
    return causeOfReset(code, text, opened);
  }

  onStart(exchange: Running): void {
    this.#exchange = exchange;
    this.#parts.onStart(this);
  }

  onOpened(fresh: boolean): void {
    this.#askingSpan?.set({ 'postern.connection': fresh ? 'new' : 'kept' });
    this.#parts.onOpened(this, fresh);
    // A dial takes its time, in which the list may have changed.
    const cause = fresh ? this.#whyNotByOwnList() : null;
    if (cause !== null) this.end(cause);
  }

  onOver(cause: Cause | null, status: number): void {
    this.#status = status;
    this.#stopWaiting?.();
    const known = cause === null ? null : callerCauseOf(cause);
    if (this.span !== null) {
      this.#askingSpan?.set(statusAttributes(this.#status));
      this.#endAsking(known);
      endRequest(this.span, this.#status, this.bytes, known);
    }
    this.#parts.onOver(this, known);
  }

  // ---- for whoever rules

  /** What was asked and answered; null before the answer. */
  get answered(): AnsweredRequest | null {
    if (this.#status === 0) return null;
    const { method, caller } = this.#request;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return { method, scheme: caller.scheme, status: this.#status, route: '', seconds };
  }

  get clientId(): string | null {
    return this.#upstream?.clientId ?? null;
  }

  get clientProcess(): ProcessName | null {
    return this.#exchange?.process ?? null;
  }

  get opened(): boolean {
    return this.#exchange?.opened === true;
  }

  get tookStream(): boolean {
    return this.#exchange?.tookStream === true;
  }

  get bytes(): { fromCaller: number; toCaller: number } {
    return this.#exchange?.bytes ?? { fromCaller: 0, toCaller: 0 };
  }

  judgeAgain(route: Route | undefined): void {
    const policy = this.#parts.policy(this.gatewayId);
    const cause = judgeRunning(route, policy, this.address, this.target) ?? this.#whyNotByOwnList();
    if (cause !== null) this.end(cause);
  }

  /** The client sees no paths, and says only whether any is allowed. */
  #whyNotByOwnList(): CallerCause | null {
    const policy = this.#parts.policy(this.gatewayId);
    const client = this.opened ? this.clientProcess : null;
    if (policy === undefined || client === null) return null;
    const now = this.#parts.ownList(this.gatewayId, client);
    return judgeOwn(policy, (now === undefined ? this.#upstream?.ownList : now) ?? null, this.target);
  }

  end(cause: CallerCause, code?: ResetCode): void {
    this.#exchange?.end(cause, code);
  }

  tick(now: number): void {
    this.#exchange?.tick(now);
  }
}
