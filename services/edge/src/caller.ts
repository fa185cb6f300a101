/**
 * One caller, from accept to its end: a TCP connection or a UDP flow, which are both a `CallerEnd`. Follow a byte: socket,
 * `Opening` until a client has taken the stream, then `joinSocket` of libs/tunnel, which pumps both ways; nothing here is
 * done per byte.
 *
 *     judged ──► opening at a client ──OPENED──► joined ──► over
 *        │           │    ▲                        │
 *        │           └────┘ nothing was reached:   │ rules changed, client restarted, path lost, reset, idle
 *        ▼                  the next client        ▼
 *      refused ◄──────── no client is left       reset
 *
 * A gateway that had a tunnel until a moment ago is waited for, before its caller is refused (tunnel-gaps.ts).
 *
 * A caller that cannot be served is reset: the edge does not know its protocol, so there is nothing to say to it. The
 * cause goes to the log and to the destination's last refusals.
 */
import type { Feature, FrontRoute, Policy, Route } from '@postern/contracts';
import {
  type CallerEnd,
  type Compression,
  type Joined,
  type ProcessName,
  ResetCode,
  type Stream,
  TunnelError,
  saysNothingReached,
  saysPathRefused,
} from '@postern/tunnel';
import type { TraceSpan } from '@postern/telemetry';
import type { CallerAbout } from './accepted-caller.ts';
import { type CallerCause, causeOfReset } from './errors.ts';
import { type CallerAddress, type Target, judgeNew, judgeOwn, judgeRunning } from './judgement.ts';
import { featuresToServe, openMetadataOf, openStream } from './open-metadata.ts';
import type { RunningCaller } from './running-caller.ts';
import { type Traces, endCaller, errorOf } from './traces.ts';
import type { StopWaiting, WaitForTunnel } from './tunnel-gaps.ts';
import { type Upstream, capable, noClient, pickUpstream } from './upstream.ts';

/** Most clients and ways to them that one caller's opening is tried at. */
const triesMax = 8;
const connectTimeoutSecondsMax = 180;
/** What a client may take beyond the resource's own time-out to say so. */
const answerGraceSeconds = 5;

/** What a caller needs of the node. */
export interface CallerParts {
  policy(gatewayId: string): Policy | undefined;
  /** A UDP flow is silent for so long: it is over, where its destination does not say otherwise. */
  flowIdleMs: number;
  /** The ways to the gateway's clients, in groups, best first. */
  upstreams(gatewayId: string): Iterable<Iterable<Upstream>>;
  isWell(clientId: string, destinationId: string): boolean;
  waitForTunnel: WaitForTunnel;
  compression: Compression;
  /** Null where no traces are wanted. */
  traces: Traces | null;
  /** A client has taken the stream. */
  onOpened(caller: Caller): void;
  /** The caller has gone. `cause` is null when both directions ended in order, or the caller itself went. */
  onOver(caller: Caller, cause: CallerCause | null): void;
}

/** One caller. */
export class Caller implements RunningCaller {
  readonly trackingId: string;
  readonly address: CallerAddress;
  readonly gatewayId: string;
  readonly destinationId: string;
  readonly target: Target;
  readonly idleTimeoutMs: number;
  readonly span: TraceSpan | null;
  readonly #parts: CallerParts;
  readonly #about: CallerAbout;
  readonly #route: FrontRoute;
  readonly #end: CallerEnd;
  readonly #needs: readonly Feature[];
  readonly #tried = new Set<string>();
  #opening: ReturnType<CallerEnd['open']> | null = null;
  #stream: Stream | null = null;
  #openingSpan: TraceSpan | null = null;
  #upstream: Upstream | null = null;
  #stopWaiting: StopWaiting | null = null;
  #opened = false;
  #over = false;
  /** Why the edge itself ended it. */
  #cause: CallerCause | null = null;
  /** Why the last client tried did not take it. */
  #lastCause: CallerCause | null = null;
  #bytesSeen = 0;
  #quietSince: number;

  constructor(parts: CallerParts, about: CallerAbout, end: CallerEnd) {
    const { route, trackingId, address } = about;
    this.#parts = parts;
    this.#about = about;
    this.#route = route;
    this.#end = end;
    this.#needs = featuresToServe(route);
    this.trackingId = trackingId;
    this.address = address;
    this.gatewayId = route.gatewayId;
    this.destinationId = route.id;
    this.target = { host: route.resource.host, port: route.resource.port };
    const idleMs = route.resource.idleTimeoutSeconds * 1000;
    this.idleTimeoutMs = end.protocol === 'udp' && idleMs === 0 ? parts.flowIdleMs : idleMs;
    this.#quietSince = performance.now();
    this.span = parts.traces?.startCaller(about, end.protocol) ?? null;
  }

  /** The client that has the stream, or is asked to take it. */
  get clientId(): string | null {
    return this.#upstream?.clientId ?? null;
  }

  /** The start of that client which holds the other end. */
  get clientProcess(): ProcessName | null {
    return this.#stream?.peer ?? null;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get tookStream(): boolean {
    return this.#opened;
  }

  get bytes(): { fromCaller: number; toCaller: number } {
    return this.#end.bytes(this.#stream);
  }

  /** Judges the caller and opens its stream. */
  start(): void {
    const cause = judgeNew(this.#route, this.#parts.policy(this.gatewayId), this.address);
    if (cause !== null) {
      this.#refuse(cause);
      return;
    }
    this.#opening = this.#end.open({
      onOpened: (stream) => this.#join(stream),
      onRefused: (code, text, from) => this.#handleRefused(code, text, from),
    });
    this.#openNext();
  }

  /** Judges again after a rule, the destination or the gateway changed. */
  judgeAgain(route: Route | undefined): void {
    const cause = judgeRunning(route, this.#parts.policy(this.gatewayId), this.address, this.target);
    if (cause !== null)
      this.end(
        cause,
        cause.code === 'EDGE_ACCESS_DENIED' || cause.code === 'EDGE_SOURCE_DENIED'
          ? ResetCode.Denied
          : ResetCode.Disabled,
      );
  }

  /** Ends it at once, both ways. Idempotent. */
  end(cause: CallerCause, code: ResetCode = ResetCode.Disabled): void {
    if (this.#over) return;
    this.#cause = cause;
    if (this.#stream === null) this.#refuse(cause);
    else this.#stream.reset(code, `${cause.code}: ${cause.text}`);
  }

  /** Called about once a second: ends what has waited too long for its client, or been idle too long. */
  tick(now: number): void {
    if (!this.#opened) this.#tickOpening(now);
    else if (this.idleTimeoutMs > 0) this.#tickIdle(now);
  }

  get #connectTimeoutSeconds(): number {
    return this.#route.resource.connectTimeoutSeconds || connectTimeoutSecondsMax;
  }

  /** A client says itself when the resource times out; one that says nothing at all is not waited for much longer. */
  #tickOpening(now: number): void {
    const seconds = this.#connectTimeoutSeconds + answerGraceSeconds;
    if (now - this.#quietSince < seconds * 1000) return;
    const text = `client ${this.clientId} gave no answer for ${seconds} s`;
    this.end({ code: 'EDGE_CLIENT_SILENT', text, end: 'client' }, ResetCode.Cancelled);
  }

  #tickIdle(now: number): void {
    const { fromCaller, toCaller } = this.bytes;
    const seen = fromCaller + toCaller;
    if (seen !== this.#bytesSeen) {
      this.#bytesSeen = seen;
      this.#quietSince = now;
    } else if (now - this.#quietSince >= this.idleTimeoutMs) {
      // UDP has no other end; of a connection somebody may want to know.
      if (this.#end.protocol === 'udp') return this.#stream?.reset(ResetCode.Cancelled, 'the flow is silent');
      const text = `no byte for ${this.idleTimeoutMs / 1000} s, the destination's idle time-out`;
      this.end({ code: 'EDGE_IDLE', text, end: 'edge' }, ResetCode.Cancelled);
    }
  }

  #openNext(): void {
    const upstream = this.#pick();
    if (upstream === null) {
      const ways = this.#parts.upstreams(this.gatewayId);
      const cause = this.#lastCause ?? noClient(this.#route, ways, this.#needs);
      if (cause.code !== 'EDGE_NO_CLIENT' || !this.#wait()) this.#refuse(cause);
      return;
    }
    this.#upstream = upstream;
    this.#quietSince = performance.now();
    let stream: Stream;
    if (this.span !== null)
      this.#openingSpan = this.#parts.traces?.startOpening(this.span, 'open', upstream, {}) ?? null;
    try {
      const metadata = openMetadataOf(this.#route, this.trackingId, this.address, this.#openingSpan);
      stream = openStream(upstream, this.#route, metadata, this.#parts.compression);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      this.#lastCause = { code: 'EDGE_CLIENT_LIMIT', text: error.message, end: 'edge' };
      this.#endOpeningSpan(this.#lastCause);
      this.#tried.add(upstream.id);
      this.#openNext();
      return;
    }
    this.#stream = stream;
    this.#opening?.carry(stream);
  }

  /** Whether the next tunnel of the gateway is waited for. */
  #wait(): boolean {
    const until = this.#quietSince + this.#connectTimeoutSeconds * 1000;
    this.#stopWaiting = this.#parts.waitForTunnel(this.gatewayId, until, () => this.#openNext());
    return this.#stopWaiting !== null;
  }

  /** The next client whose own list, as far as it is known here, does not refuse. */
  #pick(): Upstream | null {
    const policy = this.#parts.policy(this.gatewayId);
    if (policy === undefined) return null;
    while (this.#tried.size < triesMax) {
      const ways = capable(this.#parts.upstreams(this.gatewayId), this.#needs);
      const upstream = pickUpstream(ways, this.#tried, (clientId) =>
        this.#parts.isWell(clientId, this.destinationId),
      );
      if (upstream === null) return null;
      const denied = judgeOwn(policy, upstream.ownList, this.target);
      if (denied === null) return upstream;
      this.#lastCause = denied;
      this.#tried.add(upstream.clientId);
    }
    return null;
  }

  #handleRefused(code: ResetCode, text: string, from: 'here' | 'peer'): void {
    this.#stream = null;
    if (from === 'peer' && saysNothingReached(code)) {
      this.#lastCause = causeOfReset(code, text, false);
      this.#endOpeningSpan(this.#lastCause);
      // What the path refused the same client may take by another.
      const refused = saysPathRefused(code) ? this.#upstream?.id : this.#upstream?.clientId;
      if (refused !== undefined) this.#tried.add(refused);
      this.#openNext();
      return;
    }
    this.#finish(this.#cause ?? causeOfEnd({ code, text, origin: from }, false));
  }

  #join(stream: Stream): void {
    this.#opened = true;
    this.#opening = null;
    this.#endOpeningSpan(null);
    this.#quietSince = performance.now();
    this.#parts.onOpened(this);
    void this.#end.join(stream).then((joined) => this.#handleJoined(joined));
  }

  #handleJoined(joined: Joined): void {
    this.#finish(joined.reset === null ? null : (this.#cause ?? causeOfEnd(joined.reset, true)));
  }

  #endOpeningSpan(cause: CallerCause | null): void {
    this.#openingSpan?.end(errorOf(cause));
    this.#openingSpan = null;
  }

  #refuse(cause: CallerCause): void {
    this.#finish(cause);
  }

  #finish(cause: CallerCause | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopWaiting?.();
    this.#opening?.close();
    this.#opening = null;
    if (cause !== null || !this.#opened) this.#end.reset();
    this.#about.leave();
    this.#endOpeningSpan(cause);
    if (this.span !== null) endCaller(this.span, this.bytes, cause);
    this.#parts.onOver(this, cause);
  }
}

/** Null when the caller itself went: that is no fault. */
function causeOfEnd(reset: NonNullable<Joined['reset']>, opened: boolean): CallerCause | null {
  const code = reset.code as ResetCode;
  if (reset.origin === 'here' && code === ResetCode.Cancelled) return null;
  return causeOfReset(code, reset.text, opened);
}
