/**
 * What a caller of a front wants, its bytes carried or one request: judged by the gateway's rules and each client's own
 * list, carried by a client's tunnel or another node's relay. Rules, clients and operators may end it.
 *
 * A gateway that had a tunnel until a moment ago is waited for, before its caller is refused (tunnel-gaps.ts). Causes go to
 * the log and to the destination's last refusals.
 */
import type { AccessList } from '@postern/access';
import {
  type Feature,
  type FrontRoute,
  type Policy,
  type Route,
  connectTimeoutSecondsMax,
} from '@postern/contracts';
import {
  type Cause,
  type Errand,
  type HttpRequest,
  type Running,
  type Way,
  pathsOf,
} from '@postern/exchange';
import type { AnsweredRequest, TraceSpan } from '@postern/telemetry';
import { type Compression, type ProcessName, type ResetCode, saysPathRefused } from '@postern/tunnel';
import type { CallerAbout } from './accepted-caller.ts';
import { type CallerCause, causeOfReset, resetOf } from '../errors.ts';
import { type CallerAddress, type Target, judgeNew, judgeOwn, judgeRunning } from '../access/judgement.ts';
import { featuresToServe, openMetadataOf, openStream } from './open-metadata.ts';
import { type Traces, endSpan, errorOf, statusAttributes } from '../traces.ts';
import type { StopWaiting, WaitForTunnel } from './tunnel-gaps.ts';
import { type Upstream, capable, noClient, pickUpstream } from '../upstream.ts';
import { callerCauseOf } from './voice.ts';

/** Most clients and ways to them that are tried for one errand. */
const triesMax = 8;
/** What a client may take beyond the resource's own time-out to say so. */
const answerGraceSeconds = 5;

const none: ReadonlySet<string> = new Set();

/** What an errand needs of the node. */
export interface FrontErrandParts {
  policy(gatewayId: string): Policy | undefined;
  /** A UDP flow that is silent for so long is over, where its destination does not say otherwise. */
  flowIdleMs: number;
  /** The ways to the gateway's clients, in groups, best first. */
  upstreams(gatewayId: string): Iterable<Iterable<Upstream>>;
  /** A client's own list as it is now; undefined where nothing is known of it any more. */
  ownList(gatewayId: string, client: ProcessName): AccessList | null | undefined;
  /** Whether a client's check of the destination passes, as far as it is known. */
  isWell(clientId: string, destinationId: string): boolean;
  waitForTunnel: WaitForTunnel;
  compression: Compression;
  /** Null where no traces are wanted. */
  traces: Traces | null;
  onStart(errand: FrontErrand): void;
  /** A client has taken it; `fresh`: over a new stream. */
  onOpened(errand: FrontErrand, fresh: boolean): void;
  /** A request was answered, by its resource or by the edge. */
  onAnswered(request: AnsweredRequest): void;
  /** It is over. `cause` is null when in order, or when the caller itself went. */
  onOver(errand: FrontErrand, cause: CallerCause | null): void;
}

/** One caller's bytes, or of `RequestErrand` one request's. */
export class FrontErrand implements Errand {
  readonly trackingId: string;
  /** Of those that the node has carried; whoever keeps them gives it. */
  number = 0;
  readonly address: CallerAddress;
  readonly gatewayId: string;
  readonly destinationId: string;
  readonly answerSeconds: number;
  readonly idleTimeoutSeconds: number;
  /** Where it is traced. */
  readonly span: TraceSpan | null;
  readonly #parts: FrontErrandParts;
  readonly #route: FrontRoute;
  readonly #leave: () => void;
  /** Where there are traces: its context, sampled or not. */
  readonly #trace: TraceSpan | null;
  readonly #request: HttpRequest | null;
  readonly #target: Target;
  readonly #needs: readonly Feature[];
  readonly #connectTimeoutSeconds: number;
  readonly #startedAt = performance.now();
  /** Clients, and ways to them; made anew with each, as hardly anybody tries a second. */
  #tried: ReadonlySet<string> = none;
  /** What is asked of a client now, where it is traced. */
  #asking: TraceSpan | null = null;
  #running: Running | null = null;
  #upstream: Upstream | null = null;
  #stopWaiting: StopWaiting | null = null;
  /** Why the last client tried did not take it. */
  #lastCause: CallerCause | null = null;

  constructor(
    parts: FrontErrandParts,
    { route, trackingId, address, leave }: Omit<CallerAbout, 'arrivedAt'>,
    trace: TraceSpan | null,
    request: HttpRequest | null = null,
  ) {
    this.#parts = parts;
    this.#route = route;
    this.#leave = leave;
    this.#trace = trace;
    this.span = trace?.sampled === true ? trace : null;
    this.#request = request;
    this.trackingId = trackingId;
    this.address = address;
    this.gatewayId = route.gatewayId;
    this.destinationId = route.id;
    const { host, port, connectTimeoutSeconds, idleTimeoutSeconds } = route.resource;
    this.#target = { host, port, ...(request === null ? {} : pathsOf(request)) };
    this.#needs = featuresToServe(route);
    this.#connectTimeoutSeconds = connectTimeoutSeconds || connectTimeoutSecondsMax;
    this.answerSeconds = this.#connectTimeoutSeconds + answerGraceSeconds;
    const silentSeconds = route.front.protocol === 'udp' ? parts.flowIdleMs / 1000 : 0;
    this.idleTimeoutSeconds = idleTimeoutSeconds || silentSeconds;
  }

  // ---- for what carries it

  whyNot(): CallerCause | null {
    return judgeNew(this.#route, this.#parts.policy(this.gatewayId), this.address, this.#target);
  }

  /** The next client whose own list, as far as it is known here, does not refuse. */
  nextWay(retry: () => void): Way | CallerCause | null {
    for (;;) {
      const policy = this.#parts.policy(this.gatewayId);
      const upstream = this.#tried.size < triesMax ? this.#pick() : null;
      if (upstream === null || policy === undefined) {
        const ways = this.#parts.upstreams(this.gatewayId);
        const cause = this.#lastCause ?? noClient(this.#route, ways, this.#needs);
        return isAway(cause) && this.#wait(retry) ? null : cause;
      }
      const denied = judgeOwn(upstream.ownList, this.#target);
      if (denied === null) return this.#wayBy(upstream);
      this.#lastCause = denied;
      this.#leaveOut(upstream.clientId);
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
    this.#asking = this.#startAsking(upstream);
    const { id, clientId } = upstream;
    return {
      peerId: clientId,
      trace: (this.#asking ?? this.#trace)?.context ?? null,
      open: () => {
        const metadata = openMetadataOf(this.#route, this.trackingId, this.address, this.#asking);
        const told = this.#request === null ? metadata : { ...metadata, somePath: true };
        return openStream(upstream, this.#route, told, this.#parts.compression);
      },
      onRefused: (code, text) => {
        if (code === null) this.#lastCause = { code: 'EDGE_CLIENT_LIMIT', text, end: 'edge' };
        else this.#lastCause = causeOfReset(code, text, false);
        this.#endAsking(this.#lastCause);
        // What the path refused the same client may take by another.
        this.#leaveOut(code === null || saysPathRefused(code) ? id : clientId);
      },
    };
  }

  #leaveOut(tried: string): void {
    this.#tried = new Set([...this.#tried, tried]);
  }

  #startAsking(upstream: Upstream): TraceSpan | null {
    const { traces } = this.#parts;
    if (this.span === null || traces === null) return null;
    if (this.#request === null) return traces.startOpening(this.span, 'open', upstream, {});
    const { method } = this.#request;
    const { host, port } = this.#target;
    const attributes = { 'http.request.method': method, 'server.address': host, 'server.port': port };
    return traces.startOpening(this.span, method, upstream, attributes);
  }

  #endAsking(cause: CallerCause | null): void {
    this.#asking?.end(errorOf(cause));
    this.#asking = null;
  }

  hasOther({ id }: ProcessName): boolean {
    const ways = capable(this.#parts.upstreams(this.gatewayId), this.#needs);
    return pickUpstream(ways, new Set([id])) !== null;
  }

  silence(): CallerCause {
    const text = `client ${this.clientId} gave no answer for ${this.answerSeconds} s`;
    return { code: 'EDGE_CLIENT_SILENT', text, end: 'client' };
  }

  causeOfReset(code: ResetCode, text: string, opened: boolean): CallerCause {
    return causeOfReset(code, text, opened);
  }

  onStart(running: Running): void {
    this.#running = running;
    this.#parts.onStart(this);
  }

  onOpened(fresh: boolean): void {
    if (this.#request === null) this.#endAsking(null);
    else this.#asking?.set({ 'postern.connection': fresh ? 'new' : 'kept' });
    this.#parts.onOpened(this, fresh);
    // A dial takes its time, in which the list may have changed.
    const cause = fresh ? this.#whyNotByOwnList() : null;
    if (cause !== null) this.end(cause);
  }

  onOver(cause: Cause | null, status: number): void {
    this.#stopWaiting?.();
    this.#leave();
    const known = cause === null ? null : callerCauseOf(cause);
    if (this.span !== null) {
      this.#asking?.set(statusAttributes(status));
      this.#endAsking(known);
      endSpan(this.span, status, this.bytes, known);
    }
    if (this.#request !== null && status !== 0) {
      const { method, caller } = this.#request;
      const seconds = (performance.now() - this.#startedAt) / 1000;
      this.#parts.onAnswered({ method, scheme: caller.scheme, status, route: '', seconds });
    }
    this.#parts.onOver(this, known);
  }

  // ---- for whoever rules

  /** The client that has it, or is asked to take it. */
  get clientId(): string | null {
    return this.#upstream?.clientId ?? null;
  }

  /** The start of that client which holds the other end. */
  get clientProcess(): ProcessName | null {
    return this.#running?.process ?? null;
  }

  get opened(): boolean {
    return this.#running?.opened === true;
  }

  /** Whether a client took a new stream for it. */
  get tookStream(): boolean {
    return this.#running?.tookStream === true;
  }

  get bytes(): { fromCaller: number; toCaller: number } {
    return this.#running?.bytes ?? { fromCaller: 0, toCaller: 0 };
  }

  /** Judges again after a rule, the destination or the gateway changed. */
  judgeAgain(route: Route | undefined): void {
    const policy = this.#parts.policy(this.gatewayId);
    const cause = judgeRunning(route, policy, this.address, this.#target) ?? this.#whyNotByOwnList();
    if (cause !== null) this.end(cause, resetOf(cause));
  }

  /** Of a request: the client sees no paths, and says only whether any is allowed. */
  #whyNotByOwnList(): CallerCause | null {
    if (this.#request === null) return null;
    const client = this.opened ? this.clientProcess : null;
    if (client === null) return null;
    const now = this.#parts.ownList(this.gatewayId, client);
    return judgeOwn((now === undefined ? this.#upstream?.ownList : now) ?? null, this.#target);
  }

  /** Ends it at once, both ways. Idempotent. */
  end(cause: CallerCause, code?: ResetCode): void {
    this.#running?.end(cause, code);
  }

  /** Called about once a second. */
  tick(now: number): void {
    this.#running?.tick(now);
  }
}

/** Whether a client may be there in a moment. */
function isAway({ code }: CallerCause): boolean {
  return code === 'EDGE_NO_CLIENT' || code === 'EDGE_CLIENT_RESTARTED';
}
