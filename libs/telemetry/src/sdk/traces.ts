/** Traces by OpenTelemetry's SDK: sampled, batched, sent by OTLP over HTTP. What finds no room in the batch is dropped. */
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
import type { SamplerName } from '../telemetry.ts';
import type { SpanAttributes, SpanOptions, TraceContext, TraceSpan, Tracing } from '../tracing.ts';

/** Strangers choose paths and names: what is longer is cut. */
const attributeCharactersMax = 1_024;
const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;
const propagator = new W3CTraceContextPropagator();

/** Where traces go, and which. */
export interface TracesOptions {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly resource: Resource;
  readonly tracesSampler: SamplerName;
  readonly tracesSamplerArg: number;
}

/** Starts them; `stop` sends what is left. */
export function startTraces(options: TracesOptions): { tracing: Tracing; stop(): Promise<void> } {
  const { url, headers, resource } = options;
  const provider = new TracerProvider({
    resource,
    sampler: samplerOf(options.tracesSampler, options.tracesSamplerArg),
    spanLimits: { attributeValueLengthLimit: attributeCharactersMax },
    spanProcessors: [batchProcessor(new OTLPTraceExporter({ url, headers }))],
  });
  return {
    tracing: new SdkTracing(provider.getTracer('postern')),
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

function samplerOf(name: SamplerName, ratio: number): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}

class SdkTracing implements Tracing {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  start(name: string, { kind, attributes, parent, link, startedAt }: SpanOptions): TraceSpan {
    const within = contextOf(parent);
    const from = contextOf(link);
    const options = {
      kind: kinds[kind],
      ...(attributes === undefined ? {} : { attributes }),
      ...(from === undefined ? {} : { links: [{ context: from }] }),
      ...(startedAt === undefined ? {} : { startTime: startedAt }),
    };
    const context = within === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, within);
    return new SdkSpan(this.#tracer.startSpan(name, options, context));
  }
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
