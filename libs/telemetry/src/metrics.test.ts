import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DurationTable, durationRowsMax } from './duration-table.ts';
import { HttpServerDurations } from './http-duration.ts';
import { metricName } from './metric-name.ts';
import { Metrics } from './metrics.ts';
import { processMetrics } from './process-metrics.ts';

test('a metric’s name at /metrics has its unit in words at the end, and _total where it only grows', () => {
  assert.equal(
    metricName('http.server.request.duration', 's', 'histogram'),
    'http_server_request_duration_seconds',
  );
  assert.equal(metricName('postern.edge.bytes', 'By', 'counter'), 'postern_edge_bytes_total');
  assert.equal(metricName('postern.edge.tunnels', '{tunnel}', 'gauge'), 'postern_edge_tunnels');
  assert.equal(
    metricName('nodejs.eventloop.utilization', '1', 'gauge'),
    'nodejs_eventloop_utilization_ratio',
  );
});

test('a name that is not OpenTelemetry’s way is a bug, and so is a second metric of a name that is not read', () => {
  const metrics = new Metrics();
  assert.throws(
    () => metrics.gauge({ name: 'postern_edge_things', unit: '{thing}', help: 'Things.' }),
    /named like/,
  );
  metrics.counter({ name: 'postern.things', unit: '{thing}', help: 'Things.' });
  assert.throws(
    () => metrics.counter({ name: 'postern.things', unit: '{thing}', help: 'Things.' }),
    /there already/,
  );
});

test('what two services of a process both read is one metric with the values of both', async () => {
  const metrics = new Metrics();
  const options = { name: 'postern.things', unit: '{thing}', help: 'Things.', labels: ['kind'] };
  metrics.gauge({ ...options, read: () => [{ labels: { kind: 'a' }, value: 2 }] });
  metrics.gauge({
    ...options,
    read: () => [
      { labels: { kind: 'a' }, value: 3 },
      { labels: { kind: 'b' }, value: 1 },
    ],
  });
  const text = await metrics.text();
  assert.match(text, /^postern_things\{kind="a"\} 5$/m);
  assert.match(text, /^postern_things\{kind="b"\} 1$/m);
});

test('durations are counted in buckets that add up, with their sum; an empty label is left out', async () => {
  const metrics = new Metrics();
  const edge = new HttpServerDurations(metrics);
  const admin = new HttpServerDurations(metrics);
  edge.observe({ method: 'GET', scheme: 'http', status: 200, route: '', seconds: 0.02 });
  edge.observe({ method: 'GET', scheme: 'http', status: 200, route: '', seconds: 20 });
  edge.observe({ method: 'BREW', scheme: 'https', status: 501, route: '', seconds: 0.005 });
  admin.observe({ method: 'GET', scheme: 'https', status: 200, route: '/api/v1/gateways', seconds: 0.3 });
  const text = await metrics.text();
  const line = (labels: string) =>
    `http_request_method="GET",url_scheme="http",http_response_status_code="200"${labels}`;
  assert(text.includes(`http_server_request_duration_seconds_bucket{le="0.01",${line('')}} 0\n`), text);
  assert(text.includes(`http_server_request_duration_seconds_bucket{le="0.025",${line('')}} 1\n`), text);
  assert(text.includes(`http_server_request_duration_seconds_bucket{le="+Inf",${line('')}} 2\n`), text);
  assert(text.includes(`http_server_request_duration_seconds_sum{${line('')}} 20.02\n`), text);
  assert(text.includes(`http_server_request_duration_seconds_count{${line('')}} 2\n`), text);
  assert.match(
    text,
    /_count\{http_request_method="_OTHER",url_scheme="https",http_response_status_code="501"\} 1$/m,
  );
  assert.match(text, /_count\{[^}]*http_route="\/api\/v1\/gateways"\} 1$/m);
});

test('durations beyond the most rows share one row', () => {
  const table = new DurationTable({ labels: ['code'], buckets: [1] });
  for (let i = 0; i < durationRowsMax + 5; i += 1) table.observe(0.5, String(i));
  const rows = [...table.rows()];
  assert.equal(rows.length, durationRowsMax + 1);
  assert.deepEqual(rows.at(-1), { values: ['_OTHER'], counts: [5, 0], sum: 2.5 });
});

test('the process is told under OpenTelemetry’s names', async () => {
  const metrics = new Metrics();
  processMetrics(metrics);
  const text = await metrics.text();
  for (const name of [
    'process_cpu_time_seconds_total',
    'process_memory_usage_bytes',
    'v8js_memory_heap_used_bytes',
  ])
    assert.match(text, new RegExp(`^${name}(?:\\{[^}]*\\})? [0-9.e-]*[1-9]`, 'm'));
  assert.match(text, /^nodejs_eventloop_delay_p99_seconds [0-9.e-]+$/m);
});
