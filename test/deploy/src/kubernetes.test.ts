// The charts on a real API server and its controllers: each set of values is validated, installed and admitted under the Pod
// Security Standard `restricted`; upgrades, rollback and removal keep what must be kept. No pod runs here.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './caller.ts';
import { type ChartCase, chartCases, nameOf } from './kubernetes/chart.ts';
import { ControlPlane, controlPlaneTools } from './kubernetes/control-plane.ts';
import { type KubernetesObject, Release, makeStrictNamespace } from './kubernetes/release.ts';

const tools = controlPlaneTools();
const missing = typeof tools === 'string' ? `SKIPPED: ${tools}` : false;

describe('the charts on an API server', { skip: missing }, () => {
  let plane: ControlPlane;

  before(async () => {
    assert(typeof tools !== 'string');
    plane = await ControlPlane.start(tools);
  });
  after(() => plane?.stop());

  async function release(namespace: string): Promise<Release> {
    await makeStrictNamespace(plane, namespace);
    return new Release(plane, namespace);
  }

  test('a pod that runs as root, or that does not say where its memory ends, is refused in the namespaces used here', async () => {
    await makeStrictNamespace(plane, 'strict');
    const resources = { requests: { cpu: '1m', memory: '1Mi' }, limits: { memory: '1Mi' } };
    const securityContext = {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const make = async (name: string, container: object): Promise<string> => {
      const file = join(plane.folder, `${name}.json`);
      const spec = { containers: [{ name, image: 'none', ...container }] };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'strict' }, spec };
      await writeFile(file, JSON.stringify(pod));
      return plane.kubectl('create', '--filename', file);
    };
    await assert.rejects(make('root', { resources }), /violates PodSecurity "restricted:latest"/);
    await assert.rejects(make('boundless', { securityContext }), /must specify limits\.memory/);
    await make('good', { resources, securityContext });
  });

  for (const [index, one] of chartCases.entries()) {
    test(`${nameOf(one)} is taken as it is, installed with every pod admitted, and removed`, async () => {
      const gateway = await release(`case-${index}`);
      await gateway.dryRun(one);
      await gateway.put(one);
      await gateway.untilAdmitted();
      await gateway.remove();
      const kinds =
        'deployments,statefulsets,services,poddisruptionbudgets,horizontalpodautoscalers,networkpolicies';
      assert.deepEqual(namesOf(await gateway.objects(kinds)), []);
    });
  }

  for (const chart of ['postern', 'postern-client'] as const) {
    test(`a release of ${chart} is upgraded from each set of values to the next`, async () => {
      const gateway = await release(`upgrade-${chart}`);
      for (const one of chartCases.filter((each) => each.chart === chart)) {
        await gateway.put(one);
        await gateway.untilAdmitted('one');
      }
    });
  }

  test('ports and addresses of the Service stay over an upgrade that adds front ports, and over a rollback', async () => {
    const gateway = await release('ports');
    const values = (last: number): ChartCase => ({
      chart: 'postern',
      set: ['service.type=NodePort', 'frontPorts.first=15000', `frontPorts.last=${last}`],
    });
    await gateway.put(values(15_003));
    const before = await gateway.object('service', '-edge');
    assert.equal(before.spec.ports?.length, 3 + 4);
    await gateway.put(values(15_005));
    const added = await gateway.object('service', '-edge');
    assert.equal(added.spec.ports?.length, 3 + 6);
    assert.deepEqual(added.spec.ports?.slice(0, 7), before.spec.ports);
    assert.equal(added.spec.clusterIP, before.spec.clusterIP);
    await gateway.rollback(1);
    const back = await gateway.object('service', '-edge');
    assert.deepEqual(back.spec, before.spec);
  });

  test('a rollback brings the templates back', async () => {
    const gateway = await release('back');
    const values = (tag: string): ChartCase => ({ chart: 'postern', set: [`image.tag=${tag}`] });
    await gateway.put(values('1.0.0'));
    const before = templates(await gateway.objects('deployments,statefulsets'));
    assert.match(JSON.stringify(before), /edge:1\.0\.0/);
    await gateway.put(values('1.0.1'));
    assert.notDeepEqual(templates(await gateway.objects('deployments,statefulsets')), before);
    await gateway.rollback(1);
    assert.deepEqual(templates(await gateway.objects('deployments,statefulsets')), before);
    await gateway.untilAdmitted('one');
  });

  test('secrets that the chart made stay over upgrades, removal and a new installation', async () => {
    const gateway = await release('kept');
    const values: ChartCase = { chart: 'postern', set: ['secrets.create=true'] };
    const secrets = async (): Promise<unknown[]> =>
      Promise.all(
        ['-acl-made', '-certstore-made'].map(async (name) => (await gateway.object('secret', name)).data),
      );
    await gateway.put(values);
    const made = await secrets();
    await gateway.put({ ...values, set: [...values.set, 'edge.replicas=3'] });
    assert.deepEqual(await secrets(), made);
    await gateway.remove();
    assert.deepEqual(await secrets(), made);
    await gateway.put(values);
    assert.deepEqual(await secrets(), made);
  });

  test('an autoscaler raises the nodes to its least number, and takes none away when it is switched on', async () => {
    const gateway = await release('scaled');
    const scaling: ChartCase = {
      chart: 'postern',
      set: ['edge.autoscaling.enabled=true', 'edge.autoscaling.connections=true'],
    };
    await gateway.put(scaling);
    const nodes = async (): Promise<number | undefined> =>
      (await gateway.object('statefulset', '-edge')).spec.replicas;
    await until('two nodes', 30_000, async () => (await nodes()) === 2);
    await gateway.put({ chart: 'postern', set: ['edge.replicas=5'] });
    assert.equal(await nodes(), 5);
    await gateway.put(scaling);
    assert.equal(await nodes(), 5);
    await gateway.put({ ...scaling, set: [...scaling.set, 'image.tag=1.0.1'] });
    assert.equal(await nodes(), 5);
  });
});

function namesOf(objects: readonly KubernetesObject[]): string[] {
  return objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
}

function templates(objects: readonly KubernetesObject[]): unknown[] {
  return objects.map(({ spec }) => spec.template);
}
