/**
 * What leaves the program for an OpenTelemetry collector: traces, and the metrics of /metrics once more. On where there is
 * an endpoint; else nothing of OpenTelemetry is even loaded. It is the first part of a program to start and the last to
 * stop, so that others find `tracing` and their last spans go out.
 */
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness, Service } from './service.ts';
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

/** Telemetry as a part of a program. */
export interface Telemetry extends Service {
  /** Null where no traces are wanted, and before the start. */
  readonly tracing: Tracing | null;
  /** Whether the program's metrics go to a collector. */
  readonly sendsMetrics: boolean;
}

/** Makes it. */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  return new ProgramTelemetry(options);
}

/** Where traces and metrics go, by OpenTelemetry's rules for endpoints; but no endpoint is none, not localhost. */
export function targetsOf(settings: TelemetrySettings): Targets {
  const { otelDisabled, otlpEndpoint, tracesExporter, metricsExporter } = settings;
  const url = (exporter: 'otlp' | 'none', own: string | undefined, path: string): string | null => {
    if (otelDisabled || exporter === 'none') return null;
    return own ?? (otlpEndpoint === undefined ? null : `${otlpEndpoint.replace(/\/+$/, '')}/${path}`);
  };
  return {
    tracesUrl: url(tracesExporter, settings.otlpTracesEndpoint, 'v1/traces'),
    metricsUrl: url(metricsExporter, settings.otlpMetricsEndpoint, 'v1/metrics'),
  };
}

/** What the SDK gives. */
export interface RunningSdk {
  readonly tracing: Tracing | null;
  stop(): Promise<void>;
}

class ProgramTelemetry implements Telemetry {
  readonly name = 'telemetry';
  readonly #options: TelemetryOptions;
  readonly #targets: Targets;
  #sdk: RunningSdk | null = null;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    this.#targets = targetsOf(options.settings);
  }

  get tracing(): Tracing | null {
    return this.#sdk?.tracing ?? null;
  }

  get sendsMetrics(): boolean {
    return this.#targets.metricsUrl !== null;
  }

  async start(): Promise<void> {
    const { tracesUrl, metricsUrl } = this.#targets;
    if (tracesUrl === null && metricsUrl === null) return;
    const { startSdk } = await import('./sdk/index.ts');
    this.#sdk = startSdk(this.#options, this.#targets);
    this.#options.logger.info(
      { subsystem: 'telemetry', tracesUrl, metricsUrl },
      'telemetry goes to a collector',
    );
  }

  /** A collector that is out of reach is no reason to serve nobody. */
  ready(): Readiness {
    return { ready: true, waitingFor: [] };
  }

  status(): unknown {
    return this.#targets;
  }

  async stop(): Promise<void> {
    const sdk = this.#sdk;
    this.#sdk = null;
    await sdk?.stop();
  }
}
