/**
 * Traces as the services see them: a span is begun, told of, and ended, and its context travels as W3C fields. What is
 * behind it (OpenTelemetry's SDK, `sdk/`) is loaded only where telemetry is on; where it is off there is no `Tracing`, and
 * whoever would begin a span has a null to look at and nothing else to do.
 */

/** W3C Trace Context, as it travels in OPEN and in HTTP. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
}

/** What is told of a span, by OpenTelemetry's names where there is one. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** How a span begins. */
export interface SpanOptions {
  /** `server`: somebody asked; `client`: somebody is asked; `internal`: neither. */
  readonly kind: 'server' | 'client' | 'internal';
  /** As a function where they are to be put together only once it is sure that somebody wants them. */
  readonly attributes?: SpanAttributes | (() => SpanAttributes);
  /** What it is a part of; a new trace begins without. A context that is malformed counts as none. */
  readonly parent?: TraceSpan | TraceContext | null;
  /** What it comes from without being a part of it. */
  readonly link?: TraceContext | null;
  /** When it began, in milliseconds since 1970; now unless given. */
  readonly startedAt?: number;
}

/** A part of a trace while it lasts. */
export interface TraceSpan {
  /** Whether anybody will see it. One that is not sampled has a context all the same, for HTTP. */
  readonly sampled: boolean;
  readonly context: TraceContext;
  /** What log lines carry, as OpenTelemetry names it. */
  readonly logFields: { readonly trace_id: string; readonly span_id: string };
  set(attributes: SpanAttributes): void;
  /** Something happened, or was done by now. */
  event(name: string, attributes?: SpanAttributes): void;
  /** It is over; `error` says what went wrong: a code, and words. Later calls are passed over. */
  end(error?: { readonly type: string; readonly message: string } | null): void;
}

/** Begins spans. */
export interface Tracing {
  start(name: string, options: SpanOptions): TraceSpan;
}
