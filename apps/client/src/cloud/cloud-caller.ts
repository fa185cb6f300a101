/**
 * One caller of a cloud destination, a TCP connection or a UDP flow, from accept to its end: judged by both lists of this client, then opened at a node,
 * then joined. The same rule as at the edge: another node is tried only where the last one says that nothing reached the
 * resource.
 *
 *     judged ──► opening at a node ──OPENED──► joined ──► over
 *        │           │    ▲                      │
 *        │           └────┘ nothing was reached  │ list changed, path lost, reset, idle
 *        ▼                  the next node        ▼
 *      refused ◄──────── no node is left       reset
 */
import { randomUUID } from 'node:crypto';
import type { CloudDestination, CloudOpenMetadata } from '@postern/contracts';
import type { TraceSpan } from '@postern/telemetry';
import {
  type CallerEnd,
  type Joined,
  ResetCode,
  type Stream,
  TunnelError,
  saysNothingReached,
} from '@postern/tunnel';
import type { AccessGuard } from '../access-guard.ts';
import { type TracingSource, startCloudCaller, startCloudOpening } from '../traces.ts';
import { type CloudCause, causeOfReset } from './cause.ts';
import { NodeChoice, type NodeChoiceParts, answerSecondsMax } from './node-choice.ts';

/** A UDP flow that is silent for so long is over, where its destination has no idle time-out of its own. */
const flowIdleSeconds = 60;

/** What a caller needs of its gateway's client. */
export interface CloudCallerParts extends NodeChoiceParts {
  readonly guard: AccessGuard;
  readonly tracing: TracingSource;
  /** The caller has gone. `cause` is null when it ended in order, or the caller itself went. */
  onOver(caller: CloudCaller, cause: CloudCause | null): void;
}

/** One caller. */
export class CloudCaller {
  readonly destination: CloudDestination;
  readonly trackingId = randomUUID();
  readonly address: CallerEnd['address'];
  /** Where it is traced. */
  readonly span: TraceSpan | null;
  readonly #parts: CloudCallerParts;
  readonly #end: CallerEnd;
  readonly #nodes: NodeChoice;
  #opening: ReturnType<CallerEnd['open']> | null = null;
  #stream: Stream | null = null;
  #openingSpan: TraceSpan | null = null;
  #opened = false;
  #over = false;
  #cause: CloudCause | null = null;
  #bytesSeen = 0;
  #quietSince = performance.now();

  constructor(parts: CloudCallerParts, destination: CloudDestination, end: CallerEnd) {
    this.#parts = parts;
    this.destination = destination;
    this.#end = end;
    this.#nodes = new NodeChoice(parts, destination);
    this.address = end.address;
    this.span = startCloudCaller(parts.tracing, destination, this.trackingId, end.address);
  }

  /** Whether a node has reached the resource for it. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Judges the caller and opens its stream. */
  start(): void {
    const denial = this.#denial();
    if (denial !== null) return this.#finish(denial);
    this.#opening = this.#end.open({
      onOpened: (stream) => this.#join(stream),
      onRefused: (code, text, from) => this.#handleRefused(code, text, from),
    });
    this.#openNext();
  }

  /** A list has changed. */
  judgeAgain(): void {
    const denial = this.#denial();
    if (denial !== null) this.end(denial, ResetCode.Denied);
  }

  /** Ends it at once, both ways. */
  end(cause: CloudCause, code: ResetCode = ResetCode.Cancelled): void {
    if (this.#over) return;
    this.#cause = cause;
    if (this.#stream === null) this.#finish(cause);
    else this.#stream.reset(code, `${cause.code}: ${cause.text}`);
  }

  /** Called about once a second. */
  tick(now: number): void {
    if (!this.#opened) {
      if (now - this.#quietSince < answerSecondsMax * 1000) return;
      this.end({ code: 'CLIENT_EDGE_SILENT', text: `the node gave no answer for ${answerSecondsMax} s` });
      return;
    }
    const isUdp = this.#end.protocol === 'udp';
    const idleTimeoutSeconds = this.destination.idleTimeoutSeconds || (isUdp ? flowIdleSeconds : 0);
    if (idleTimeoutSeconds === 0 || this.#stream === null) return;
    const { fromCaller, toCaller } = this.#end.bytes(this.#stream);
    const seen = fromCaller + toCaller;
    if (seen !== this.#bytesSeen) {
      this.#bytesSeen = seen;
      this.#quietSince = now;
    } else if (now - this.#quietSince >= idleTimeoutSeconds * 1000) {
      if (isUdp) return this.#stream.reset(ResetCode.Cancelled, 'the flow is silent');
      const text = `no byte for ${idleTimeoutSeconds} s, the destination's idle time-out`;
      this.end({ code: 'CLIENT_IDLE', text });
    }
  }

  #denial(): CloudCause | null {
    const { host, port } = this.destination;
    const decision = this.#parts.guard.decide({ host, port });
    return decision.allowed ? null : { code: 'CLIENT_DENIED', text: decision.reason };
  }

  #openNext(): void {
    const session = this.#nodes.next();
    if ('code' in session) return this.#finish(session);
    this.#quietSince = performance.now();
    this.#openingSpan = startCloudOpening(this.#parts.tracing, this.span, session.peer.id);
    let stream: Stream;
    try {
      stream = this.#nodes.open(session, this.#metadata());
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      const cause: CloudCause = { code: 'CLIENT_TUNNELS_FULL', text: error.message };
      this.#nodes.noteCause(cause);
      this.#endOpeningSpan(cause);
      return this.#openNext();
    }
    this.#stream = stream;
    this.#opening?.carry(stream);
  }

  #handleRefused(code: ResetCode, text: string, from: 'here' | 'peer'): void {
    this.#stream = null;
    if (from === 'peer' && saysNothingReached(code)) {
      const cause = causeOfReset(code, text, false);
      this.#nodes.noteCause(cause);
      this.#endOpeningSpan(cause);
      return this.#openNext();
    }
    this.#finish(this.#cause ?? causeOfEnd({ code, text, origin: from }, false));
  }

  #join(stream: Stream): void {
    this.#opened = true;
    this.#opening = null;
    this.#endOpeningSpan(null);
    this.#quietSince = performance.now();
    void this.#end
      .join(stream)
      .then(({ reset }) => this.#finish(reset === null ? null : (this.#cause ?? causeOfEnd(reset, true))));
  }

  #finish(cause: CloudCause | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#opening?.close();
    this.#opening = null;
    if (cause !== null || !this.#opened) this.#end.reset();
    this.#endOpeningSpan(cause);
    this.#endSpan(cause);
    this.#parts.onOver(this, cause);
  }

  #endOpeningSpan(cause: CloudCause | null): void {
    this.#openingSpan?.end(cause === null ? null : { type: cause.code, message: cause.text });
    this.#openingSpan = null;
  }

  #endSpan(cause: CloudCause | null): void {
    if (this.span === null) return;
    const { fromCaller, toCaller } = this.#end.bytes(this.#stream);
    this.span.set({ 'postern.bytes.from_caller': fromCaller, 'postern.bytes.to_caller': toCaller });
    this.span.end(cause === null ? null : { type: cause.code, message: cause.text });
  }

  #metadata(): CloudOpenMetadata {
    const { id: destinationId, protocol } = this.destination;
    const traceparent = this.#openingSpan?.context.traceparent;
    const traced = traceparent === undefined ? {} : { traceparent };
    return { destinationId, protocol, trackingId: this.trackingId, ...traced, caller: this.address };
  }
}

/** Null when the caller itself went: that is no fault. */
function causeOfEnd(
  { code, text, origin }: NonNullable<Joined['reset']>,
  opened: boolean,
): CloudCause | null {
  if (origin === 'here' && code === ResetCode.Cancelled) return null;
  return causeOfReset(code, text, opened);
}
