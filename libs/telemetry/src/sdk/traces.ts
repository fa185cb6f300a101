/** Traces by OpenTelemetry's SDK: sampled, batched, sent by OTLP over HTTP. What finds no room in the batch is dropped. */
import { randomBytes } from 'node:crypto';
import {
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  defaultTextMapGetter,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator, getNumberFromEnv } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { Resource } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { SamplerName } from '../telemetry-options.ts';
import { TraceRate } from '../trace-rate.ts';
import type { SpanAttributes, SpanOptions, TraceContext, TraceSpan, Tracing } from '../tracing.ts';

/** Strangers choose paths and names: what is longer is cut. */
const attributeCharactersMax = 1_024;
const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;
const poolBytes = 24 * 256;
const propagator = new W3CTraceContextPropagator();

/** Where traces go, and which. */
export interface TracesOptions {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly resource: Resource;
  readonly tracesSampler: SamplerName;
  readonly tracesSamplerArg: number;
  readonly tracesPerSecondMax: number;
}

/** Starts them; `stop` sends what is left. */
export function startTraces(options: TracesOptions): { tracing: Tracing; stop(): Promise<void> } {
  const { url, headers, resource } = options;
  const provider = new TracerProvider({
    resource,
    sampler: samplerOf(options),
    spanLimits: { attributeValueLengthLimit: attributeCharactersMax },
    spanProcessors: [batchProcessor(new OTLPTraceExporter({ url, headers }))],
  });
  return {
    tracing: new SdkTracing(provider.getTracer('postern'), rootsOf(options)),
    stop: () => provider.shutdown(),
  };
}

/** By OpenTelemetry's variables, which the processor does not read itself; unset ones leave its defaults. */
function batchProcessor(exporter: SpanExporter): SpanProcessor {
  const options = {
    scheduledDelayMillis: getNumberFromEnv('OTEL_BSP_SCHEDULE_DELAY'),
    exportTimeoutMillis: getNumberFromEnv('OTEL_BSP_EXPORT_TIMEOUT'),
    maxQueueSize: getNumberFromEnv('OTEL_BSP_MAX_QUEUE_SIZE'),
    maxExportBatchSize: getNumberFromEnv('OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return new BatchSpanProcessor({ exporter, ...Object.fromEntries(given) });
}

/** Whether a trace that begins here is sampled; a share has a bound besides, what shall be all has none. */
function rootsOf(options: TracesOptions): () => boolean {
  const { tracesSampler, tracesSamplerArg, tracesPerSecondMax } = options;
  if (tracesSampler.endsWith('always_on')) return () => true;
  if (tracesSampler.endsWith('always_off')) return () => false;
  const rate = new TraceRate(tracesPerSecondMax);
  return () => Math.random() < tracesSamplerArg && rate.take();
}

/** For what has a parent; and for roots, of which `SdkTracing` hands on only those that are sampled. */
function samplerOf({ tracesSampler, tracesSamplerArg }: TracesOptions): Sampler {
  const root = new AlwaysOnSampler();
  switch (tracesSampler) {
    case 'always_off':
      return new AlwaysOffSampler();
    case 'always_on':
      return root;
    case 'traceidratio':
      return new RootsOnSampler(new TraceIdRatioBasedSampler(tracesSamplerArg));
    case 'parentbased_always_on':
    case 'parentbased_always_off':
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root });
  }
}

/** Takes every root, since that was decided before, and asks another sampler about the rest. */
class RootsOnSampler implements Sampler {
  readonly #others: Sampler;
  readonly #roots = new AlwaysOnSampler();

  constructor(others: Sampler) {
    this.#others = others;
  }

  shouldSample(...about: Parameters<Sampler['shouldSample']>): ReturnType<Sampler['shouldSample']> {
    const isRoot = trace.getSpanContext(about[0]) === undefined;
    return (isRoot ? this.#roots : this.#others).shouldSample(...about);
  }

  toString(): string {
    return `RootsOn{${this.#others.toString()}}`;
  }
}

/**
 * Whether a trace that begins here is sampled is decided before the SDK hears of it: its span would cost a busy HTTP front
 * half a request's time only to say that nobody wants it. So most callers cost a random number.
 */
class SdkTracing implements Tracing {
  readonly #tracer: Tracer;
  readonly #isRootSampled: () => boolean;

  constructor(tracer: Tracer, isRootSampled: () => boolean) {
    this.#tracer = tracer;
    this.#isRootSampled = isRootSampled;
  }

  start(name: string, { kind, attributes, parent, link, startedAt }: SpanOptions): TraceSpan {
    const within = contextOf(parent);
    if (within === undefined && !this.#isRootSampled()) return new UnsampledSpan();
    const from = contextOf(link);
    const options = {
      kind: kinds[kind],
      ...(attributes === undefined ? {} : { attributes: valuesOf(attributes) }),
      ...(from === undefined ? {} : { links: [{ context: from }] }),
      ...(startedAt === undefined ? {} : { startTime: startedAt }),
    };
    const context = within === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, within);
    return new SdkSpan(this.#tracer.startSpan(name, options, context));
  }
}

function valuesOf(attributes: NonNullable<SpanOptions['attributes']>): SpanAttributes {
  return typeof attributes === 'function' ? attributes() : attributes;
}

/** A trace that nobody wants; it has a context only once somebody asks for one. */
class UnsampledSpan implements TraceSpan {
  readonly sampled = false;
  #ids: { trace_id: string; span_id: string } | null = null;

  get context(): TraceContext {
    const { trace_id: traceId, span_id: spanId } = this.logFields;
    return { traceparent: `00-${traceId}-${spanId}-00` };
  }

  get logFields(): TraceSpan['logFields'] {
    this.#ids ??= { trace_id: randomHex(32), span_id: randomHex(16) };
    return this.#ids;
  }

  set(): void {}

  event(): void {}

  end(): void {}
}

/** Random digits for many IDs at once, since asking for a few costs as much as asking for all. */
let pool = '';
let taken = 0;

function randomHex(digits: number): string {
  if (taken + digits > pool.length) {
    pool = randomBytes(poolBytes).toString('hex');
    taken = 0;
  }
  taken += digits;
  return pool.slice(taken - digits, taken);
}

/** Of a span of ours, or of W3C fields from elsewhere. */
function contextOf(source: TraceSpan | TraceContext | null | undefined): SpanContext | undefined {
  if (source === null || source === undefined) return undefined;
  if (source instanceof SdkSpan) return source.spanContext;
  const { traceparent, tracestate } = 'traceparent' in source ? source : source.context;
  const carrier = { traceparent, ...(tracestate === undefined ? {} : { tracestate }) };
  return trace.getSpanContext(propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter));
}

class SdkSpan implements TraceSpan {
  readonly spanContext: SpanContext;
  readonly #span: Span;
  #over = false;

  constructor(span: Span) {
    this.#span = span;
    this.spanContext = span.spanContext();
  }

  get sampled(): boolean {
    return (this.spanContext.traceFlags & TraceFlags.SAMPLED) !== 0;
  }

  get context(): TraceContext {
    const { traceId, spanId, traceState } = this.spanContext;
    const tracestate = traceState?.serialize();
    return {
      traceparent: `00-${traceId}-${spanId}-${this.sampled ? '01' : '00'}`,
      ...(tracestate === undefined || tracestate === '' ? {} : { tracestate }),
    };
  }

  get logFields(): TraceSpan['logFields'] {
    return { trace_id: this.spanContext.traceId, span_id: this.spanContext.spanId };
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(attributes);
  }

  event(name: string, attributes: SpanAttributes = {}): void {
    this.#span.addEvent(name, attributes);
  }

  end(error: { type: string; message: string } | null = null): void {
    if (this.#over) return;
    this.#over = true;
    if (error !== null) {
      this.#span.setAttribute('error.type', error.type);
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    }
    this.#span.end();
  }
}
