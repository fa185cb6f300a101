import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

/**
 * Starts telemetry in a process of its own and prints which of OpenTelemetry's modules were asked for; but its API, which
 * prom-client loads, and which does nothing.
 */
const script = `
import { registerHooks } from 'node:module';
const asked = new Set();
registerHooks({ resolve(name, context, next) { if (/^@opentelemetry\\/(?!api$)/.test(name)) asked.add(name); return next(name, context); } });
const { Metrics, createTelemetry, processMetrics, silentLogger } = await import('@postern/telemetry');
const metrics = new Metrics();
processMetrics(metrics);
const telemetry = createTelemetry({
  name: 'postern-test', version: '0', metrics, logger: silentLogger,
  settings: { otelDisabled: false, tracesExporter: 'otlp', tracesSampler: 'always_on', tracesSamplerArg: 1, tracesPerSecondMax: 1,
    metricsExporter: 'otlp', metricExportIntervalMs: 60000, otlpEndpoint: process.argv[1] || undefined },
});
await telemetry.start();
process.stdout.write(JSON.stringify({ asked: asked.size, traces: telemetry.tracing !== null }));
process.exit(0);
`;

async function run(endpoint: string): Promise<unknown> {
  const args = ['--input-type=module', '--eval', script, endpoint];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: import.meta.dirname,
    timeout: 30_000,
  });
  return JSON.parse(stdout);
}

test('where telemetry is off, nothing of OpenTelemetry’s SDK is loaded', async () => {
  assert.deepEqual(await run(''), { asked: 0, traces: false });
  const on = (await run('http://127.0.0.1:9')) as { asked: number; traces: boolean };
  assert(on.asked > 0 && on.traces);
});
