// The charts: lint, templates of several sets of values against the schemas of Kubernetes where they are cached, and the rules
// of the Pod Security Standard `restricted`, whatever the values.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
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
}
interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly securityContext?: { runAsNonRoot?: boolean; seccompProfile?: { type: string } };
  readonly containers: readonly Container[];
}
interface Manifest {
  readonly kind: string;
  readonly spec?: { template?: { spec: PodSpec } } & Partial<PodSpec>;
}

function run(args: readonly string[]): string {
  assert(helm !== null);
  return execFileSync(helm, args, { cwd: chartFolder, encoding: 'utf8', stdio: 'pipe', timeout: 60_000 });
}

function template(chart: string, set: readonly string[]): string {
  return run(['template', 'gateway', chart, '--kube-version', '1.34.4', ...setArguments(set)]);
}

for (const one of chartCases) {
  const { chart, set } = one;
  const name = nameOf(one);
  test(`${name} is linted, and runs without root, capabilities or a token`, { skip: noHelm }, () => {
    run(['lint', chart, '--quiet', '--kube-version', '1.34.4', ...setArguments(set)]);
    const manifests = parseAllDocuments(template(chart, set)).map(
      (document) => document.toJS() as Manifest | null,
    );
    const pods = manifests.flatMap((one) => {
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
    [...template('postern', set).matchAll(/name: POSTERN_MONGODB_DATABASE, value: "(\w+)"/g)].map(
      ([, name = '']) => name,
    );
  assert.deepEqual(named([]), ['postern', 'postern', 'postern', 'postern']);
  const each = documentServices.map((service) => databaseOf(service, 'postern'));
  assert.deepEqual(named(['mongodb.databasePerService=true']).sort(), each.sort());
});

test('what nodes do not dial for cloud destinations is one list of theirs', { skip: noHelm }, () => {
  const set = ['edge.cloudDenied={10.0.0.0/8,fd00::/8}'];
  assert.match(
    template('postern', set),
    /\{ name: POSTERN_EDGE_CLOUD_DENIED, value: "10\.0\.0\.0\/8,fd00::\/8" \}/,
  );
  assert.doesNotMatch(template('postern', []), /CLOUD_DENIED/);
});

test('a node is not killed while it may still drain, whatever its grace is', { skip: noHelm }, () => {
  for (const seconds of [1, 30, 600]) {
    const text = template('postern', [`edge.drainGraceSeconds=${seconds}`]);
    const [, grace] = /kind: StatefulSet[^]*?terminationGracePeriodSeconds: (\d+)/.exec(text) ?? [];
    const [, forgottenMs] = /setTimeout\(\(\) => \{\}, (\d+)\)/.exec(text) ?? [];
    const stopMs = nodeStopMsMax({ drainDelayMs: 3_000, drainGraceMs: seconds * 1_000 });
    assert(Number(grace) * 1_000 >= Number(forgottenMs) + stopMs, `${seconds} s: ${grace} s`);
  }
});

test('values that cannot be right are refused by the schema', { skip: noHelm }, () => {
  for (const wrong of ['edge.replicas=0', 'platformHost=', 'frontPorts.first=70000', 'edge.replica=3']) {
    assert.throws(() => template('postern', [wrong]), /values don't meet the specifications|schema/i, wrong);
  }
  assert.throws(() => template('postern-client', []), /schema|specifications/i);
});
