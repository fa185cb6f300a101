/** What telemetry is made with, and what the SDK behind it is given and gives. */
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Tracing } from './tracing.ts';

/** The sampler's names in OpenTelemetry's environment variables. */
export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio';

/** The settings, by the names of `telemetrySettings` in libs/config. */
export interface TelemetrySettings {
  readonly otelDisabled: boolean;
  readonly otlpEndpoint?: string | undefined;
  readonly otlpTracesEndpoint?: string | undefined;
  readonly otlpMetricsEndpoint?: string | undefined;
  readonly otlpHeaders?: { reveal(): string } | undefined;
  readonly tracesExporter: 'otlp' | 'none';
  readonly tracesSampler: SamplerName;
  readonly tracesSamplerArg: number;
  readonly tracesPerSecondMax: number;
  readonly metricsExporter: 'otlp' | 'none';
  readonly metricExportIntervalMs: number;
}

/** What is told of the program, and where to. */
export interface TelemetryOptions {
  /** `service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES says otherwise. */
  readonly name: string;
  readonly version: string;
  /** `service.instance.id`; a random one for each start unless given. */
  readonly instanceId?: string;
  readonly settings: TelemetrySettings;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Where each signal goes; null: nowhere. */
export interface Targets {
  readonly tracesUrl: string | null;
  readonly metricsUrl: string | null;
}

/** What the SDK gives. */
export interface RunningSdk {
  readonly tracing: Tracing | null;
  stop(): Promise<void>;
}
