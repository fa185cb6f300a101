// Telemetry of a whole platform of two nodes: traces from the caller's accept over the node in between and the tunnel to
// the client's dial, through OpenTelemetry's own collector where it is installed; and that docs, dashboards and alert rules
// name the metrics that the programs show, no more and no fewer.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasTool, tool } from '@postern/scripts/install';
import { Collector, type ReceivedSpan } from '@postern/telemetry/collector';
import {
  type Cluster,
  type Resource,
  type ShownDestination,
  type Site,
  bootCluster,
  frontAt,
  startEcho,
  startOtelCollector,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { Caller, tryEcho } from './fixture/caller.ts';
import { toldAfter } from './fixture/told.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** This process's environment is that of all it starts: the standard variables, as an operator sets them. */
const environment = {
  OTEL_TRACES_SAMPLER: 'always_on',
  OTEL_BSP_SCHEDULE_DELAY: '100',
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=e2e',
};

let received: Collector;
let collector: Awaited<ReturnType<typeof startOtelCollector>>;
let echo: Resource;
let application: Server;
let headers: Record<string, unknown> = {};
let cluster: Cluster;
let site: Site;
let web: ShownDestination;
/** The node where the client's only tunnel ends, and the other one. */
let holder: number;
let other: number;

before(async () => {
  received = await new Collector().start();
  collector = await startOtelCollector(received.url);
  Object.assign(process.env, environment, { OTEL_EXPORTER_OTLP_ENDPOINT: collector?.url ?? received.url });
  application = createServer((request, response) => {
    headers = request.headers;
    response.end('served');
  }).listen(0, '127.0.0.1');
  [echo, cluster] = await Promise.all([
    startEcho(),
    // The second node believes what callers say of their traces.
    bootCluster({
      nodes: 2,
      logLevel: 'debug',
      nodeArgs: ({ name }) => ['--cloud-local', ...(name === 'edge-2' ? ['--trust-traceparent'] : [])],
    }),
    once(application, 'listening'),
  ]);
  const args = ['--tunnels', '1', '--transport', 'direct', '--ops-port', '0'];
  const closed = { host: '127.0.0.1', port: await freePort('127.0.0.1') };
  site = await startSite(cluster, { resources: { echo, closed }, client: { args } });
  const { port } = application.address() as AddressInfo;
  const resource = { host: '127.0.0.1', port, protocol: 'http' as const };
  await cluster.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '127.0.0.1', port: '*' }]);
  web = await cluster.admin.createDestination(site.gateway.id, {
    name: 'web',
    resource,
    front: { protocol: 'http', port: 15_900, host: null },
  });
  await untilServed(cluster, [web]);
  const [client] = await cluster.admin.clients(site.gateway.id);
  holder = cluster.layout.edges.findIndex(({ name }) => name === client?.tunnels[0]?.node);
  other = 1 - holder;
});

after(async () => {
  await site?.stop();
  await cluster?.stop();
  await collector?.stop();
  await received[Symbol.asyncDispose]();
  application.close();
  application.closeAllConnections();
  await echo.stop();
});

/** The spans of the trace that has one with this attribute, once it has all of these names. */
async function traceWith(key: string, value: unknown, names: readonly string[]): Promise<ReceivedSpan[]> {
  const find = (): ReceivedSpan[] => {
    const traceId = received.spans.find(
      ({ attributes }) => String(attributes[key]) === String(value),
    )?.traceId;
    return received.spans.filter((span) => span.traceId === traceId);
  };
  return until(find, (spans) => names.every((name) => spans.some((span) => span.name === name)));
}

const named = (spans: readonly ReceivedSpan[], name: string, kind?: number): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name && (kind === undefined || span.kind === kind));
  assert.equal(found.length, 1, `one span ${name} in ${spans.map((span) => span.name).join(', ')}`);
  return found[0] as ReceivedSpan;
};

test('a request through two nodes is one trace: accept, open, relay, serve, dial', async (t) => {
  t.diagnostic(
    collector === null
      ? 'SKIPPED: the collector is not installed; sent straight to the test'
      : 'by way of the OpenTelemetry collector',
  );
  const caller = new Caller(site.front('echo', other));
  await caller.echo('hello');
  const port = caller.socket.localPort;
  await caller[Symbol.asyncDispose]();
  const spans = await traceWith('client.port', port, ['caller', 'open', 'relay', 'serve', 'dial']);
  assert.equal(spans.length, 5);
  const chain = ['caller', 'open', 'relay', 'serve', 'dial'].map((name) => named(spans, name));
  assert.deepEqual(
    chain.map(({ parentSpanId }) => parentSpanId ?? ''),
    ['', ...chain.slice(0, -1).map(({ spanId }) => spanId)],
  );
  const [front, near] = [other, holder].map((node) => cluster.layout.edges[node]?.name);
  assert.deepEqual(
    chain.map(({ resource }) => [resource['service.name'], resource['deployment.environment.name']]),
    ['postern-edge', 'postern-edge', 'postern-edge', 'postern-client', 'postern-client'].map((name) => [
      name,
      'e2e',
    ]),
  );
  assert.deepEqual(
    chain.slice(0, 3).map(({ resource }) => resource['service.instance.id']),
    [front, front, near],
  );
  assert.equal(chain[1]?.attributes['postern.relay.node'], near);
  assert.equal(Number(chain[0]?.attributes['postern.bytes.from_caller']), 5);
  assert.equal(Number(chain[4]?.attributes['server.port']), echo.port);
  assert.deepEqual(
    chain[4]?.events.map(({ name }) => name),
    ['access list', 'resolve', 'connect'],
  );
  for (const { status } of chain) assert.notEqual(status.code, 2);
});

test('an HTTP caller’s trace is gone on with where that is asked for, else linked to; the resource is told of its span', async () => {
  const outside = { trace: 'a1'.repeat(16), span: 'b2'.repeat(8) };
  const traceparent = `00-${outside.trace}-${outside.span}-01`;
  const call = async (node: number, path: string): Promise<ReceivedSpan[]> => {
    const { host, port } = frontAt(cluster, web, node);
    const answer = await fetch(`http://${host}:${port}${path}`, {
      headers: { traceparent, tracestate: 'vendor=1', connection: 'close' },
    });
    assert.equal(await answer.text(), 'served');
    return until(
      () => {
        const own = received.spans.find(({ attributes }) => attributes['url.path'] === path)?.traceId;
        return received.spans.filter((span) => span.traceId === own);
      },
      (spans) => spans.filter(({ name }) => name === 'GET').length >= 2,
    );
  };
  // edge-2 was told to believe callers, edge-1 was not.
  const believed = await call(1, '/believed');
  const server = believed.find(({ attributes }) => attributes['url.path'] === '/believed');
  assert.deepEqual([server?.traceId, server?.parentSpanId, server?.kind], [outside.trace, outside.span, 2]);
  const asking = named(believed, 'GET', 3);
  assert.equal(asking.parentSpanId, server?.spanId);
  assert.equal(headers['traceparent'], `00-${outside.trace}-${asking.spanId}-01`);
  assert.equal(headers['tracestate'], 'vendor=1');
  assert.equal(Number(server?.attributes['http.response.status_code']), 200);

  const linked = await call(0, '/linked');
  const own = linked.find(({ attributes }) => attributes['url.path'] === '/linked');
  assert.notEqual(own?.traceId, outside.trace);
  assert.equal(own?.parentSpanId ?? '', '');
  assert.deepEqual(
    own?.links.map(({ traceId, spanId }) => [traceId, spanId]),
    [[outside.trace, outside.span]],
  );
  assert.equal(headers['traceparent'], `00-${own?.traceId}-${named(linked, 'GET', 3).spanId}-01`);
  assert.equal(headers['tracestate'], undefined);
});

test('a caller of a cloud destination is one trace: accept and open at the client, serve at the node', async () => {
  const clientPort = await freePort('127.0.0.1');
  await cluster.admin.createDestination(site.gateway.id, {
    name: 'cloud',
    kind: 'cloud',
    resource: { host: echo.host, port: echo.port },
    clientPort,
  });
  const listener = { host: '127.0.0.1', port: clientPort };
  await until(
    () => tryEcho(listener),
    (outcome) => outcome === 'echoed',
  );
  const caller = new Caller(listener);
  await caller.echo('hello');
  const port = caller.socket.localPort;
  await caller[Symbol.asyncDispose]();
  const spans = await traceWith('client.port', port, ['caller', 'open', 'serve']);
  const chain = ['caller', 'open', 'serve'].map((name) => named(spans, name));
  assert.deepEqual(
    chain.map(({ parentSpanId }) => parentSpanId ?? ''),
    ['', ...chain.slice(0, -1).map(({ spanId }) => spanId)],
  );
  assert.deepEqual(
    chain.map(({ resource }) => resource['service.name']),
    ['postern-client', 'postern-client', 'postern-edge'],
  );
  assert(chain[2]?.events.some(({ name }) => name === 'connect'));
});

test('what is refused has the same trace and tracking IDs in the logs of both ends and in the trace', async () => {
  const edge = cluster.part(cluster.layout.edges[holder]?.name ?? '');
  const [client, line] = await Promise.all([
    toldAfter(site.client.part, ['a stream was refused'], async () => {}),
    toldAfter(edge, ['EDGE_RESOURCE_REFUSED'], async () => {
      await new Caller(site.front('closed', holder)).ended;
    }),
  ]);
  const { trace_id: traceId, trackingId } = line;
  assert.match(String(traceId), /^[0-9a-f]{32}$/);
  assert.deepEqual([client['trace_id'], client['trackingId']], [traceId, trackingId]);
  const spans = await traceWith('postern.tracking_id', trackingId, ['caller', 'open', 'serve', 'dial']);
  assert.equal(named(spans, 'caller').spanId, line['span_id']);
  assert.equal(named(spans, 'serve').spanId, client['span_id']);
  for (const name of ['caller', 'open', 'serve', 'dial']) assert.equal(named(spans, name).status.code, 2);
  assert.equal(named(spans, 'caller').attributes['error.type'], 'EDGE_RESOURCE_REFUSED');
});

test('metrics come to the collector under OpenTelemetry’s names', async () => {
  const wanted = [
    'postern.edge.streams',
    'postern.client.tunnels',
    'http.server.request.duration',
    'postern.bus.connected',
  ];
  await until(
    () => wanted.filter((name) => !received.metrics.some((metric) => metric.name === name)),
    (missing) => missing.length === 0,
  );
});

/** What docs/METRICS.md says: name at /metrics, kind, and the programs that have it. */
function documented(): { name: string; kind: string; programs: string[] }[] {
  return [
    ...read('docs/METRICS.md').matchAll(/^\| `[^`]+` \| `([^`]+)` \| (\w+) \| [^|]* \| ([^|]+) \|/gm),
  ].map(([, name = '', kind = '', programs = '']) => ({ name, kind, programs: programs.trim().split(', ') }));
}

/** The families of a page of metrics, with their kinds. */
function familiesOf(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name, kind]) => `${name} ${kind}`).toSorted();
}

/** What promtool has against a page of metrics, but for a name that is OpenTelemetry's own. */
function faultsOf(text: string): string[] {
  const { stderr } = spawnSync(tool('promtool'), ['check', 'metrics'], { input: text, encoding: 'utf8' });
  return stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('process_unix_file_descriptor_count '));
}

test('docs/METRICS.md is what the programs show, and Prometheus has nothing against it', async () => {
  const told = documented();
  assert(told.length > 50);
  const clientOps = /"url":"(http[^"]+)"/.exec(readFileSync(site.client.part.output.path, 'utf8'))?.[1] ?? '';
  const programs = [
    ...cluster.processes.flatMap(({ kind, opsUrl }) =>
      opsUrl === null || kind === 'nats' ? [] : [{ kind, opsUrl }],
    ),
    { kind: 'client', opsUrl: clientOps },
  ];
  assert.deepEqual(
    new Set(programs.map(({ kind }) => kind)),
    new Set(['edge', 'router', 'acl', 'certstore', 'admin', 'client']),
  );
  for (const { kind, opsUrl } of programs) {
    const own = told
      .filter((metric) => metric.programs.includes(kind))
      .map((metric) => `${metric.name} ${metric.kind}`);
    const text = await (await fetch(`${opsUrl}/metrics`)).text();
    assert.deepEqual(familiesOf(text), own.toSorted(), kind);
    if (hasTool('promtool')) assert.deepEqual(faultsOf(text), [], kind);
  }
});

test('dashboards and alert rules name metrics that the programs show', () => {
  const families = documented().flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
  );
  const known = new Set([...families, 'up']);
  const files = globSync(['deploy/observe/{rules/*.yaml,grafana/dashboards/*.json}', 'docs/runbooks/*.md'], {
    cwd: root,
  });
  assert(files.length >= 2);
  for (const file of files) {
    const names = [
      ...read(file).matchAll(/\b(?:postern|nodejs|process|v8js|http_server)_[a-z0-9_]+(?=[{[\s)"'`,\\]|$)/gm),
    ].map(([name]) => name);
    const labels = new Set([
      'postern_gateway_id',
      'http_request_method',
      'http_response_status_code',
      'http_route',
    ]);
    for (const name of names) if (!labels.has(name)) assert(known.has(name), `${file}: ${name} is no metric`);
  }
});
