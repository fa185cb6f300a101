// The charts: lint, templates of several sets of values against the schemas of Kubernetes where they are cached, and the rules
// of the Pod Security Standard `restricted`, whatever the values.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeStopMsMax } from '@postern/edge';
import { findCommand, kubernetesTools } from '@postern/scripts/install';
import { databaseOf, documentServices } from '@postern/setup';
import { parseAllDocuments } from 'yaml';
import { chartCases, chartFolder, nameOf, setArguments } from './kubernetes/chart.ts';

const tools = kubernetesTools();
const helm = tools?.helm ?? findCommand('helm');
const noHelm = helm === null ? 'SKIPPED: helm is not installed; pnpm service:install kubernetes' : false;
const noSchemas =
  tools === null
    ? 'SKIPPED: the schemas of Kubernetes are not cached; pnpm service:install kubernetes'
    : false;

interface Container {
  readonly name: string;
  readonly securityContext?: {
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    capabilities?: { drop?: string[] };
  };
  readonly resources?: { limits?: Record<string, string> };
  readonly env?: readonly { name: string; value?: string }[];
}
interface PodSpec {
  readonly imagePullSecrets?: unknown;
  readonly nodeSelector?: unknown;
  readonly tolerations?: unknown;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly securityContext?: { runAsNonRoot?: boolean; seccompProfile?: { type: string } };
  readonly containers: readonly Container[];
}
interface Manifest {
  readonly kind: string;
  readonly spec?: {
    template?: { spec: PodSpec };
    ingress?: readonly unknown[];
    ports?: readonly unknown[];
  } & Partial<PodSpec>;
}

function run(args: readonly string[]): string {
  assert(helm !== null);
  return execFileSync(helm, args, { cwd: chartFolder, encoding: 'utf8', stdio: 'pipe', timeout: 60_000 });
}

function template(chart: string, set: readonly string[], more: readonly string[] = []): string {
  return run(['template', 'gateway', chart, '--kube-version', '1.34.4', ...setArguments(set), ...more]);
}

function objects(chart: string, set: readonly string[]): (Manifest | null)[] {
  return parseAllDocuments(template(chart, set)).map((document) => document.toJS() as Manifest | null);
}

/** The values that the parts of a chart are given for a variable, by their names. */
function given(chart: string, name: string, set: readonly string[]): Record<string, string> {
  const containers = objects(chart, set).flatMap((one) => one?.spec?.template?.spec.containers ?? []);
  const values = containers.flatMap(({ name: part, env = [] }) =>
    env.filter((variable) => variable.name === name).map(({ value = '' }) => [part, value] as const),
  );
  assert.equal(new Set(values.map(([part]) => part)).size, values.length, `${name} is there twice`);
  return Object.fromEntries(values);
}

/** What helm says once the platform is installed. It renders that for a cluster alone: here it is a text in a template. */
function notes(set: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-notes-'));
  try {
    cpSync(join(chartFolder, 'postern'), folder, { recursive: true });
    const text = readFileSync(join(folder, 'templates/NOTES.txt'), 'utf8').replaceAll(/^/gm, '  ');
    writeFileSync(join(folder, 'templates/notes.yaml'), `notes: |\n${text}`);
    return template(folder, set, ['--show-only', 'templates/notes.yaml']);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const one of chartCases) {
  const { chart, set } = one;
  const name = nameOf(one);
  test(`${name} is linted, and runs without root, capabilities or a token`, { skip: noHelm }, () => {
    run(['lint', chart, '--quiet', '--kube-version', '1.34.4', ...setArguments(set)]);
    const pods = objects(chart, set).flatMap((one) => {
      const pod = one?.spec?.template?.spec ?? (one?.kind === 'Pod' ? (one.spec as PodSpec) : null);
      return pod === null ? [] : [pod];
    });
    assert(pods.length > 0);
    for (const pod of pods) {
      assert.equal(pod.automountServiceAccountToken, false);
      assert.equal(pod.enableServiceLinks, false);
      assert.equal(pod.securityContext?.runAsNonRoot, true);
      assert.equal(pod.securityContext?.seccompProfile?.type, 'RuntimeDefault');
      for (const { name: container, securityContext, resources } of pod.containers) {
        assert.equal(securityContext?.allowPrivilegeEscalation, false, container);
        assert.equal(securityContext?.readOnlyRootFilesystem, true, container);
        assert.deepEqual(securityContext?.capabilities?.drop, ['ALL'], container);
        assert(resources?.limits?.['memory'] !== undefined, `${container} has no limit of memory`);
      }
    }
  });

  test(`${name} fits the schemas of Kubernetes`, { skip: noSchemas }, () => {
    assert(tools !== null);
    const place = join(tools.schemas, '{{.ResourceKind}}{{.KindSuffix}}.json');
    const own = ['-strict', '-kubernetes-version', '1.34.4', '-schema-location', place];
    execFileSync(tools.kubeconform, [...own, '-skip', 'PodMonitor,PrometheusRule'], {
      input: template(chart, set),
      stdio: 'pipe',
      timeout: 60_000,
    });
  });
}

test('services share a database, or have one each as the set-up makes them', { skip: noHelm }, () => {
  const named = (set: readonly string[]): string[] =>
    Object.values(given('postern', 'POSTERN_MONGODB_DATABASE', set));
  assert.deepEqual(named([]), ['postern', 'postern', 'postern', 'postern']);
  const each = documentServices.map((service) => databaseOf(service, 'postern'));
  assert.deepEqual(named(['mongodb.databasePerService=true']).sort(), each.sort());
});

test('a node reads its own seed and no other’s, where each has one', { skip: noHelm }, () => {
  const seeds = (set: readonly string[]): unknown => given('postern', 'POSTERN_NATS_SEED_FILE', set);
  const shared = '/secrets/nats.seed';
  const others = { acl: shared, admin: shared, certstore: shared, router: shared };
  assert.deepEqual(seeds([]), { ...others, edge: shared });
  assert.deepEqual(seeds(['secrets.nodes=true']), { ...others, edge: '/node/nats.seed' });
  const made = template('postern', ['secrets.nodes=true']);
  assert.match(made, /mountPath: \/node\/nats\.seed, subPathExpr: \$\(POSTERN_EDGE_NAME\), readOnly: true/);
  assert.match(made, /secretName: postern-nodes/);
});

test('what nodes do not dial for cloud destinations is one list of theirs', { skip: noHelm }, () => {
  const denied = (set: readonly string[]): unknown => given('postern', 'POSTERN_EDGE_CLOUD_DENIED', set);
  assert.deepEqual(denied(['edge.cloudDenied={10.0.0.0/8,fd00::/8}']), { edge: '10.0.0.0/8,fd00::/8' });
  assert.deepEqual(denied([]), {});
});

test(
  'any setting is given by its variable, to all parts or to one, and goes before what the chart sets',
  { skip: noHelm },
  () => {
    const level = given('postern', 'POSTERN_LOG_LEVEL', [
      'env.POSTERN_LOG_LEVEL=warn',
      'router.env.POSTERN_LOG_LEVEL=debug',
    ]);
    assert.deepEqual(level, { edge: 'warn', acl: 'warn', certstore: 'warn', admin: 'warn', router: 'debug' });
    const key = 'POSTERN_CERTSTORE_KEY_ENCRYPTION_KEY_FILE';
    assert.deepEqual(given('postern', key, []), { certstore: '/secrets/key-encryption-key' });
    assert.deepEqual(given('postern', key, [`certstore.env.${key}=`]), { certstore: '' });
    const taken = given('postern', 'POSTERN_LOG_LEVEL', [
      'env.POSTERN_LOG_LEVEL=warn',
      'router.env.POSTERN_LOG_LEVEL=',
    ]);
    assert.equal(taken['router'], '');
    const client = ['gatewayIds={abc}', 'connect=https://gateway.example'];
    const proxy = given('postern-client', 'POSTERN_CLIENT_PROXY', [
      ...client,
      'env.POSTERN_CLIENT_PROXY=http://proxy',
    ]);
    assert.deepEqual(proxy, { client: 'http://proxy' });
    for (const value of ['site-7', '']) {
      const name = [...client, `env.POSTERN_CLIENT_NAME=${value}`];
      assert.deepEqual(given('postern-client', 'POSTERN_CLIENT_NAME', name), { client: value });
    }
    assert.throws(
      () => template('postern', ['edge.env.POSTERN_EDGE_TUNNELS_MAX=5']),
      /schema|specifications/i,
    );
  },
);

test(
  'who has metrics watched is told that they are for pods of the namespace alone, unless peers are named',
  { skip: noHelm },
  () => {
    const tells = (...set: readonly string[]): boolean =>
      notes(['monitoring.serviceMonitor=true', ...set]).includes('networkPolicy.metricsPeers');
    assert(tells());
    assert(!tells('networkPolicy.enabled=false'));
    assert(!tells('networkPolicy.metricsPeers[0].namespaceSelector.matchLabels.team=watch'));
    assert(!notes([]).includes('networkPolicy.metricsPeers'));
  },
);

test(
  'callers of cloud destinations reach a client at the ports that are named, and no client else is dialled',
  { skip: noHelm },
  () => {
    const client = ['gatewayIds={abc}', 'connect=https://gateway.example'];
    const policy = (set: readonly string[]): unknown =>
      objects('postern-client', set).find((one) => one?.kind === 'NetworkPolicy')?.spec?.ingress;
    assert.equal(policy(client), undefined);
    const open = [...client, 'cloudPorts={5432,8080}'];
    assert.deepEqual(policy(open), [
      { from: [{ podSelector: {} }], ports: [{ port: 5432 }, { port: 8080 }] },
    ]);
    assert.deepEqual(given('postern-client', 'POSTERN_CLIENT_LISTEN_HOST', open), { client: '0.0.0.0' });
    const service = objects('postern-client', open).find((one) => one?.kind === 'Service');
    assert.deepEqual(service?.spec?.ports, [
      { name: 'cloud-5432', port: 5432 },
      { name: 'cloud-8080', port: 8080 },
    ]);
  },
);

test(
  'a client with another access list is started anew, since it reads the list as it starts',
  { skip: noHelm },
  () => {
    const client = ['gatewayIds={abc}', 'connect=https://gateway.example'];
    const pod = (list: string): unknown =>
      objects('postern-client', [...client, `accessList=${list}`]).find((one) => one?.kind === 'Deployment')
        ?.spec?.template;
    assert.deepEqual(pod('acl allow a:1'), pod('acl allow a:1'));
    assert.notDeepEqual(pod('acl allow a:1'), pod('acl deny a:1'));
  },
);

test('a node is not killed while it may still drain, whatever its grace is', { skip: noHelm }, () => {
  for (const seconds of [1, 30, 600]) {
    const text = template('postern', [`edge.drainGraceSeconds=${seconds}`]);
    const [, grace] = /kind: StatefulSet[^]*?terminationGracePeriodSeconds: (\d+)/.exec(text) ?? [];
    const [, forgottenMs] = /setTimeout\(\(\) => \{\}, (\d+)\)/.exec(text) ?? [];
    const stopMs = nodeStopMsMax({ drainDelayMs: 3_000, drainGraceMs: seconds * 1_000 });
    assert(Number(grace) * 1_000 >= Number(forgottenMs) + stopMs, `${seconds} s: ${grace} s`);
  }
});

test('where pods run, and with which pull secrets, is chosen in either chart', { skip: noHelm }, () => {
  for (const [chart, set] of [
    ['postern', []],
    ['postern-client', ['gatewayIds={abc}', 'connect=https://gateway.example']],
  ] as const) {
    const pods = objects(chart, [
      ...set,
      'image.pullSecrets[0].name=registry',
      'nodeSelector.zone=dmz',
      'tolerations[0].key=dmz',
    ]).flatMap((one) => one?.spec?.template?.spec ?? []);
    assert(pods.length > 0);
    for (const { imagePullSecrets, nodeSelector, tolerations } of pods)
      assert.deepEqual(
        { imagePullSecrets, nodeSelector, tolerations },
        {
          imagePullSecrets: [{ name: 'registry' }],
          nodeSelector: { zone: 'dmz' },
          tolerations: [{ key: 'dmz' }],
        },
        chart,
      );
  }
});

test('values that cannot be right are refused by the schema', { skip: noHelm }, () => {
  for (const wrong of [
    'edge.replicas=0',
    'platformHost=',
    'platformHost=https://gateway.example.com',
    'platformHost=gateway.example.com:443',
    'platformHost=gateway..example.com',
    'platformHost=gateway.-example.com',
    'frontPorts.first=70000',
    'edge.replica=3',
    'nodeSelector.dmz=true',
    'podAnnotations.scrape=true',
    'service.annotations.internal=true',
    'admin.service.annotations.internal=true',
    'monitoring.labels.release=1',
    'image.pullSecrets={registry}',
    'tolerations={dmz}',
    'service.loadBalancerIP=gateway.example.com',
    'edge.resources.limits=2Gi',
    'nats.url=tls://nats-1:4222\\,nats-2:4222',
  ]) {
    assert.throws(() => template('postern', [wrong]), /values don't meet the specifications|schema/i, wrong);
  }
  const client = ['gatewayIds={abc}', 'connect=https://gateway.example'];
  template('postern-client', [...client, 'connect=https://[fd00::1]:8443/', 'hosts.erp=fd00::5']);
  for (const wrong of [
    'connect=http://gateway.example',
    'connect=https://gateway.example/path',
    'connect=https://user:password@gateway.example',
    'hosts.erp=erp.corp',
  ])
    assert.throws(
      () => template('postern-client', [...client, wrong]),
      /values don't meet the specifications|schema/i,
      wrong,
    );
  assert.throws(() => template('postern-client', []), /schema|specifications/i);
});

test(
  'what the templates cannot do without is missed by its name where it is taken away',
  { skip: noHelm },
  () => {
    const client = ['gatewayIds={abc}', 'connect=https://gateway.example'];
    for (const [chart, set, names] of [
      [
        'postern',
        [],
        ['image', 'platformHost', 'nats', 'secrets', 'edge', 'frontPorts', 'service', 'router'],
      ],
      ['postern', [], ['acl', 'certstore', 'admin', 'mongodb', 'networkPolicy', 'telemetry', 'monitoring']],
      [
        'postern',
        [],
        ['edge.autoscaling', 'edge.drainGraceSeconds', 'admin.service', 'networkPolicy.enabled'],
      ],
      ['postern', [], ['mongodb.databasePerService', 'secrets.create']],
      ['postern-client', client, ['image', 'secret', 'telemetry']],
    ] as const)
      for (const name of names)
        assert.throws(
          () => template(chart, [...set, `${name}=null`]),
          new RegExp(`(missing property '?|: )${name.split('.').at(-1)}('| is required)`),
          name,
        );
  },
);

test('values that contradict each other are refused in a sentence', { skip: noHelm }, () => {
  for (const [set, sentence] of [
    [['frontPorts.first=15000', 'frontPorts.last=14999'], /frontPorts: last, 14999, is before first, 15000/],
    [
      ['frontPorts.first=9050', 'frontPorts.last=9150'],
      /frontPorts: 9101 is among them, which is a node's own/,
    ],
    [
      ['edge.autoscaling.enabled=true', 'edge.replicas=20'],
      /edge\.replicas, 20, is more than edge\.autoscaling\.maxReplicas, 10/,
    ],
  ] as const)
    assert.throws(() => template('postern', set), sentence);
});
