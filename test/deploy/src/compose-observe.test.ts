// The profile `observe` of deploy/compose on a Docker engine: Prometheus finds every part and has the rules, an alert fires,
// the dashboards' questions have answers, and a request through the balancer over two nodes is one trace in Jaeger, which
// came there by the collector. Grafana's own server is left out. With POSTERN_TEST_DEPLOY=full and an engine that has the
// images (deploy/images; base images or what stands in for them: test/deploy/src/process/stand-ins.ts).

import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { until } from './caller.ts';
import { ComposePlatform, composeFolder, missingForPlatform } from './compose-platform.ts';
import { PrivateSite, answer, hello } from './compose-site.ts';

const observe = join(composeFolder, '../observe');
const parts = ['edge', 'router', 'acl', 'certstore', 'admin', 'balancer'];
const missing = missingForPlatform(
  'prom/prometheus:v2.55.1',
  'otel/opentelemetry-collector:0.111.0',
  'jaegertracing/all-in-one:1.62.0',
);
const skip = missing === null ? false : `SKIPPED: ${missing}`;

/** As deploy/compose/README.md gives it, with every caller traced. */
const environment = {
  COMPOSE_PROFILES: 'observe',
  POSTERN_OTLP_ENDPOINT: 'http://otel-collector:4318',
  POSTERN_TRACES_SAMPLER_ARG: '1',
};
const settlesMs = 120_000;
/** A rule may look back at the start for five minutes. */
const calmsMs = 400_000;
/** Names are looked up each half minute, and the rule waits for one. */
const goneMs = 240_000;
const requests = 8;

let scratch: string;
let platform: ComposePlatform;
let site: PrivateSite;
let port: number;

before(async () => {
  if (skip !== false) return;
  scratch = mkdtempSync(join(tmpdir(), 'postern-observe-'));
  platform = new ComposePlatform(scratch, { overrides: ['without-grafana'], environment });
  platform.use('latest');
  await platform.compose('up', '-d', '--wait');
  site = await PrivateSite.make(platform, ['allow sample:8080'], { overrides: ['one-tunnel'], environment });
  port = await site.destination('sample', 'sample:8080');
  await site.compose('up', '-d');
  await until('the sample is reached', 60_000, async () => (await answer(port)) === hello);
});
after(async () => {
  await site?.remove();
  await platform?.compose('down', '--volumes');
  if (scratch !== undefined) rmSync(scratch, { recursive: true });
});

test('Prometheus finds every part, twice each, and all are up', { skip }, async () => {
  const wanted = parts.flatMap((name) => [`${name} up`, `${name} up`]).toSorted();
  const found = async (): Promise<string[]> => {
    const { activeTargets } = await prometheus<{ activeTargets: readonly Target[] }>('targets?state=active');
    return activeTargets.map(({ labels, health }) => `${labels.job} ${health}`).toSorted();
  };
  await until('all targets are up', settlesMs, async () => (await found()).join() === wanted.join());
  assert.deepEqual(await found(), wanted);
});

test('Prometheus has every alert rule, can answer each, and nothing is amiss', { skip }, async () => {
  const file = parse(readFileSync(join(observe, 'rules/postern.yaml'), 'utf8')) as RuleGroups;
  const wanted = file.groups.flatMap(({ rules }) => rules.map(({ alert }) => `${alert} ok inactive`));
  const found = async (): Promise<string[]> => {
    const { groups } = await prometheus<RuleGroups>('rules?type=alert');
    return groups.flatMap(({ rules }) => rules.map((one) => `${one.name} ${one.health} ${one.state}`));
  };
  await until('no rule is unknown', settlesMs, async () => {
    const states = await found();
    return states.length > 0 && !states.some((state) => state.includes(' unknown '));
  });
  await until('nothing is amiss', calmsMs, async () => (await found()).join() === wanted.join());
});

/** Panels about what does not happen here: no HTTP front, no refusal, no client that Prometheus reaches. */
const emptyPanels = [
  'Clients: refused per second',
  'Clients: streams, and dials that wait',
  'Clients: tunnels',
  'HTTP requests per second, by status',
  'HTTP: answers, 50 and 99 %',
  'Handshakes that failed, first calls, per second',
  'Signing requests refused per hour',
];

test('every panel of the dashboards shows what happens', { skip }, async () => {
  const files = globSync('grafana/dashboards/*.json', { cwd: observe });
  const panels = files.flatMap(
    (name) => (JSON.parse(readFileSync(join(observe, name), 'utf8')) as Dashboard).panels,
  );
  const empty = async (): Promise<string[]> => {
    const titles = new Set<string>();
    for (const { title, targets } of panels)
      for (const { expr } of targets) {
        const query = expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*');
        const question = `query?query=${encodeURIComponent(query)}`;
        const { result } = await prometheus<{ result: readonly unknown[] }>(question);
        if (result.length === 0) titles.add(title);
      }
    return [...titles].toSorted();
  };
  await until('the panels are filled', settlesMs, async () => (await empty()).length <= emptyPanels.length);
  assert.deepEqual(await empty(), emptyPanels);
});

test('a request through the balancer over two nodes is one trace in Jaeger', { skip }, async () => {
  for (let turn = 0; turn < requests; turn += 1) assert.equal(await answer(port), hello);
  const relayed = await until('a trace with a relay', settlesMs, async () => {
    const traces = await jaeger('traces?service=postern-edge&operation=relay&limit=20&lookback=1h');
    return traces.find(({ spans }) => spans.length >= chain.length) ?? null;
  });
  const spans = chain.map(({ name }) => {
    const own = relayed.spans.filter(({ operationName }) => operationName === name);
    assert.equal(own.length, 1, `${name} in ${relayed.spans.map((one) => one.operationName).join()}`);
    return own[0] as Span;
  });
  assert.equal(relayed.spans.length, chain.length);
  assert.deepEqual(
    spans.map(({ references }) => references.map(({ refType, spanID }) => `${refType} ${spanID}`)),
    [[], ...spans.slice(0, -1).map(({ spanID }) => [`CHILD_OF ${spanID}`])],
  );
  const programs = spans.map(({ processID }) => relayed.processes[processID]);
  assert.deepEqual(
    programs.map((program) => program?.serviceName),
    chain.map(({ program }) => program),
  );
  const [front, alsoFront, near] = programs.map((program) => tag(program?.tags, 'service.instance.id'));
  assert.equal(front, alsoFront);
  assert.deepEqual(new Set([front, near]), new Set(['edge-1', 'edge-2']));
  assert.equal(tag(spans[1]?.tags, 'postern.relay.node'), near);
  // The caller is this host, by its own address on the platform's network: the balancer tells who called.
  const own = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
  assert(own.includes(String(tag(spans[0]?.tags, 'client.address'))));
  assert.equal(tag(spans[4]?.tags, 'server.port'), 8080);
});

test('when the last router is gone, Prometheus finds none and says so', { skip }, async () => {
  await platform.compose('kill', 'router');
  await until('PosternPartGone', goneMs, async () => {
    const { alerts } = await prometheus<{ alerts: readonly Alert[] }>('alerts');
    return alerts.some(
      ({ state, labels }) =>
        state === 'firing' && labels.alertname === 'PosternPartGone' && labels.job === 'router',
    );
  });
});

const chain = [
  { name: 'caller', program: 'postern-edge' },
  { name: 'open', program: 'postern-edge' },
  { name: 'relay', program: 'postern-edge' },
  { name: 'serve', program: 'postern-client' },
  { name: 'dial', program: 'postern-client' },
];

interface Target {
  readonly labels: { readonly job: string };
  readonly health: string;
}

interface RuleGroups {
  readonly groups: readonly {
    readonly rules: readonly { alert: string; name: string; health: string; state: string }[];
  }[];
}

interface Alert {
  readonly state: string;
  readonly labels: { readonly alertname: string; readonly job?: string };
}

interface Dashboard {
  readonly panels: readonly { title: string; targets: readonly { expr: string }[] }[];
}

interface Tag {
  readonly key: string;
  readonly value: unknown;
}

interface Span {
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  readonly processID: string;
  readonly tags: readonly Tag[];
}

interface Trace {
  readonly spans: readonly Span[];
  readonly processes: Readonly<Record<string, { serviceName: string; tags: readonly Tag[] }>>;
}

function tag(tags: readonly Tag[] = [], key: string): unknown {
  return tags.find((one) => one.key === key)?.value;
}

async function prometheus<T>(question: string): Promise<T> {
  const answered = await fetch(`http://127.0.0.1:9090/api/v1/${question}`);
  const body = (await answered.json()) as { status: string; data: T; error?: string };
  assert.equal(body.status, 'success', `${question}: ${body.error}`);
  return body.data;
}

async function jaeger(question: string): Promise<readonly Trace[]> {
  const answered = await fetch(`http://127.0.0.1:16686/api/${question}`);
  assert.equal(answered.status, 200, question);
  return ((await answered.json()) as { data: readonly Trace[] | null }).data ?? [];
}
