/**
 * OpenTelemetry's SDK, put together for one program. Nothing outside of this folder imports it, and this folder is
 * imported only once telemetry is on. What the standard variables say beyond our own settings (certificates, batch sizes,
 * time-outs, resource attributes) the SDK reads from the environment by itself.
 */
import { randomUUID } from 'node:crypto';
import { DiagLogLevel, type DiagLogger, diag } from '@opentelemetry/api';
import { parseKeyPairsIntoRecord, setGlobalErrorHandler } from '@opentelemetry/core';
import {
  type Resource,
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { LineLimit } from '../line-limit.ts';
import type { Logger } from '../logger.ts';
import type { RunningSdk, Targets, TelemetryOptions } from '../telemetry-options.ts';
import { startMetrics } from './metrics.ts';
import { startTraces } from './traces.ts';

/** A collector that does not answer must not hold up the end of the program. */
const stopTimeoutMs = 5_000;
const faultLinesPerSecondMax = 1;

/** Starts what has a target. */
export function startSdk(options: TelemetryOptions, { tracesUrl, metricsUrl }: Targets): RunningSdk {
  tellFaults(options.logger);
  const resource = resourceOf(options);
  const headers = parseKeyPairsIntoRecord(options.settings.otlpHeaders?.reveal());
  const traces =
    tracesUrl === null ? null : startTraces({ url: tracesUrl, headers, resource, ...options.settings });
  const metrics =
    metricsUrl === null
      ? null
      : startMetrics({
          url: metricsUrl,
          headers,
          resource,
          metrics: options.metrics,
          intervalMs: options.settings.metricExportIntervalMs,
        });
  return {
    tracing: traces?.tracing ?? null,
    stop: () => within(Promise.allSettled([traces?.stop(), metrics?.stop()])),
  };
}

/** What the environment says of the resource counts more than what the program knows. */
function resourceOf({ name, version, instanceId = randomUUID() }: TelemetryOptions): Resource {
  const own = resourceFromAttributes({
    'service.name': name,
    'service.namespace': 'postern',
    'service.version': version,
    'service.instance.id': instanceId,
  });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
}

function tellFaults(logger: Logger): void {
  const lines = new LineLimit(faultLinesPerSecondMax);
  const tell = (text: string): void => {
    const more = lines.take();
    if (more !== null) logger.warn({ subsystem: 'telemetry', ...more }, `telemetry: ${text}`);
  };
  const quiet = (): void => {};
  const handler: DiagLogger = { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet };
  diag.setLogger(handler, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  setGlobalErrorHandler((error) => tell(error instanceof Error ? error.message : JSON.stringify(error)));
}

async function within(work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, stopTimeoutMs);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
