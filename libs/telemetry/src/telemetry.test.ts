import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, plain } from './collector.fixture.ts';
import { HttpServerDurations } from './http-duration.ts';
import { silentLogger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { createTelemetry, targetsOf } from './telemetry.ts';
import type { TelemetrySettings } from './telemetry-options.ts';
import type { Tracing } from './tracing.ts';

const off: TelemetrySettings = {
  otelDisabled: false,
  tracesExporter: 'otlp',
  tracesSampler: 'parentbased_always_on',
  tracesSamplerArg: 0,
  tracesPerSecondMax: 10,
  metricsExporter: 'otlp',
  metricExportIntervalMs: 60_000,
};

/** Runs `work` with telemetry to a collector, and shows what had come there once all was stopped. */
async function withCollector(
  settings: Partial<TelemetrySettings>,
  work: (tracing: Tracing | null, metrics: Metrics) => void,
): Promise<Collector> {
  await using collector = await new Collector().start();
  const metrics = new Metrics();
  const telemetry = createTelemetry({
    name: 'postern-test',
    version: '1.2.3',
    instanceId: 'edge-7',
    settings: { ...off, otlpEndpoint: `${collector.url}/`, ...settings },
    metrics,
    logger: silentLogger,
  });
  await telemetry.start();
  work(telemetry.tracing, metrics);
  await telemetry.stop();
  return collector;
}

test('without an endpoint nothing is sent anywhere; one of its own counts before the common one', () => {
  assert.deepEqual(targetsOf(off), { tracesUrl: null, metricsUrl: null });
  const settings = { ...off, otlpEndpoint: 'http://c:4318', otlpTracesEndpoint: 'http://t/traces' };
  assert.deepEqual(targetsOf(settings), {
    tracesUrl: 'http://t/traces',
    metricsUrl: 'http://c:4318/v1/metrics',
  });
  assert.equal(targetsOf({ ...settings, tracesExporter: 'none' }).tracesUrl, null);
  assert.deepEqual(targetsOf({ ...settings, otelDisabled: true }), { tracesUrl: null, metricsUrl: null });
});

test('a span goes to the collector with its parent, its link, what happened in it and how it ended', async () => {
  const outside = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'v=1' };
  const { spans } = await withCollector({ metricsExporter: 'none' }, (tracing) => {
    const caller = tracing?.start('caller', {
      kind: 'server',
      attributes: { 'client.port': 7 },
      link: outside,
    });
    const open = tracing?.start('open', { kind: 'client', parent: caller ?? null });
    open?.event('resolve', { ok: true });
    open?.end({ type: 'EDGE_NO_CLIENT', message: 'nobody is there' });
    open?.end();
    caller?.end();
    const other = tracing?.start('caller', { kind: 'server', parent: outside });
    assert.match(other?.context.traceparent ?? '', new RegExp(`^00-${'a'.repeat(32)}-[0-9a-f]{16}-01$`));
    assert.equal(other?.context.tracestate, 'v=1');
    other?.end();
  });
  const [open, caller, other] = spans;
  assert.equal(spans.length, 3);
  assert.equal(open?.parentSpanId, caller?.spanId);
  assert.equal(open?.traceId, caller?.traceId);
  assert.deepEqual(
    open?.events.map(({ name }) => name),
    ['resolve'],
  );
  assert.deepEqual(
    [open?.status, open?.attributes['error.type']],
    [{ code: 2, message: 'nobody is there' }, 'EDGE_NO_CLIENT'],
  );
  assert.deepEqual([caller?.kind, caller?.attributes['client.port']], [2, 7]);
  assert.equal(caller?.parentSpanId, undefined);
  assert.deepEqual(
    caller?.links.map(({ traceId }) => traceId),
    ['a'.repeat(32)],
  );
  assert.deepEqual([other?.traceId, other?.parentSpanId], ['a'.repeat(32), 'b'.repeat(16)]);
  const {
    'service.name': name,
    'service.instance.id': instance,
    'service.version': version,
  } = caller?.resource ?? {};
  assert.deepEqual([name, instance, version], ['postern-test', 'edge-7', '1.2.3']);
});

test('what is not sampled is not sent, and says so to whom it is handed on', async () => {
  const settings = { metricsExporter: 'none', tracesSampler: 'parentbased_traceidratio' } as const;
  const { spans } = await withCollector(settings, (tracing) => {
    const span = tracing?.start('caller', { kind: 'server' });
    assert.equal(span?.sampled, false);
    assert.match(span?.context.traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    span?.end();
    const parent = { traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` };
    tracing?.start('serve', { kind: 'server', parent }).end();
  });
  assert.deepEqual(
    spans.map(({ traceId }) => traceId),
    ['c'.repeat(32)],
  );
});

test('a traceparent that is malformed counts as none', async () => {
  const { spans } = await withCollector({ metricsExporter: 'none' }, (tracing) => {
    for (const traceparent of [
      '',
      'x',
      `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
      `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    ])
      tracing?.start('caller', { kind: 'server', parent: { traceparent }, link: { traceparent } }).end();
  });
  assert.equal(spans.length, 4);
  assert.deepEqual(
    spans.flatMap(({ parentSpanId, links }) => [parentSpanId ?? null, links.length]),
    [null, 0, null, 0, null, 0, null, 0],
  );
});

test('what a stranger says at length is cut before it is sent', async () => {
  const { spans } = await withCollector({ metricsExporter: 'none' }, (tracing) => {
    tracing?.start('GET', { kind: 'server', attributes: { 'url.path': '/'.repeat(30_000) } }).end();
  });
  assert.equal(String(spans[0]?.attributes['url.path']).length, 1_024);
});

test('the metrics of /metrics go to the collector under their own names, histograms in buckets that do not add up', async () => {
  const collector = await withCollector({ tracesExporter: 'none' }, (tracing, metrics) => {
    assert.equal(tracing, null);
    metrics.counter({ name: 'postern.edge.bytes', unit: 'By', help: 'Bytes.', read: () => 12 });
    metrics.gauge({
      name: 'postern.gateway.tunnels',
      unit: '{tunnel}',
      help: 'Tunnels.',
      labels: ['postern.gateway.id'],
      read: () => [{ labels: { postern_gateway_id: 'g' }, value: 2 }],
    });
    const durations = new HttpServerDurations(metrics);
    for (const seconds of [0.001, 0.02, 99])
      durations.observe({ method: 'GET', scheme: 'http', status: 200, route: '', seconds });
  });
  const find = (name: string) => collector.metrics.find((one) => one.name === name);
  assert.deepEqual(
    [find('postern.edge.bytes')?.sum?.isMonotonic, find('postern.edge.bytes')?.unit],
    [true, 'By'],
  );
  assert.equal(find('postern.edge.bytes')?.sum?.dataPoints[0]?.asDouble, 12);
  const [tunnels] = find('postern.gateway.tunnels')?.gauge?.dataPoints ?? [];
  assert.deepEqual([tunnels?.asDouble, plain(tunnels?.attributes ?? [])], [2, { 'postern.gateway.id': 'g' }]);
  const [duration] = find('http.server.request.duration')?.histogram?.dataPoints ?? [];
  assert.equal(duration?.count, 3);
  assert.deepEqual(
    duration?.bucketCounts.filter((count) => count > 0),
    [1, 1, 1],
  );
  assert.equal(duration?.bucketCounts.length, (duration?.explicitBounds.length ?? 0) + 1);
  assert.deepEqual(plain(duration?.attributes ?? []), {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'url.scheme': 'http',
  });
});

test('the collector gets the header fields that it is to have', async () => {
  const otlpHeaders = { reveal: () => 'authorization=Bearer%20abc' };
  const { authorizations } = await withCollector({ otlpHeaders }, (tracing) => {
    tracing?.start('caller', { kind: 'server' }).end();
  });
  assert.deepEqual(new Set(authorizations), new Set(['Bearer abc']));
});
