/**
 * What leaves the program for an OpenTelemetry collector: traces, and the metrics of /metrics once more. On where there is
 * an endpoint; else nothing of OpenTelemetry is even loaded. It is the first part of a program to start and the last to
 * stop, so that others find `tracing` and their last spans go out.
 */
import type { Readiness, Service } from './service.ts';
import type { RunningSdk, Targets, TelemetryOptions, TelemetrySettings } from './telemetry-options.ts';
import type { Tracing } from './tracing.ts';

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
