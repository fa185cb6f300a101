// The charts on a whole cluster of one node, with the project's images: NATS and documents outside, the static address as a
// cloud's load balancer gives it, PostgreSQL in a private network that only the client reaches. With POSTERN_TEST_DEPLOY=full
// and an engine that has the images, as for the compose files.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { requireCommand, runCommand, tool } from '@postern/scripts/install';
import {
  AdminClient,
  CuttableProxy,
  type ProcessResource,
  type Resource,
  makeScratch,
  removeScratch,
  startEcho,
  startPostgresql,
  startProbe,
} from '@postern/test-cluster';
import { echoed, patience, until } from './caller.ts';
import { imagesMissing } from './compose-platform.ts';
import { chartFolder, setArguments } from './kubernetes/chart.ts';
import { Callers } from './kubernetes/callers.ts';
import { ControlPlane, controlPlaneTools } from './kubernetes/control-plane.ts';
import { saveImages } from './kubernetes/image.ts';
import { KubernetesNode } from './kubernetes/node.ts';
import { Outside, outsideHosts } from './kubernetes/outside.ts';
import { type KubernetesObject, makeStrictNamespace } from './kubernetes/release.ts';
import { isInside, makeBridge, runInside, worldMissing } from './network/world.ts';

const here = '10.99.8.1';
const nodeAddress = '10.99.8.21';
const podNet = '10.244.0.0/24';
const staticAddress = '203.0.113.10';
const namespace = 'postern';
const services = ['edge', 'router', 'acl', 'certstore', 'admin'];
const images = [...services, 'client', 'cli'].map((name) => `postern/${name}:latest`);
const pauseImage = 'postern-test/pause:latest';
const testedWithinMs = 120_000 * patience;
const installedWithinMs = 300_000 * patience;

const tools = controlPlaneTools();
const missing = isInside ? null : whyNot();

if (isInside) describe('the charts on a node', inWorld);
else {
  test(
    'the charts on a node, in a network of its own',
    { skip: missing === null ? false : `SKIPPED: ${missing}` },
    async () => assert.equal(await runInside(import.meta.url), 0),
  );
}

function whyNot(): string | null {
  if (process.env['POSTERN_TEST_DEPLOY'] !== 'full') return 'POSTERN_TEST_DEPLOY is not full';
  if (typeof tools === 'string') return tools;
  return worldMissing() ?? imagesMissing(images);
}

function inWorld(): void {
  let folder: string;
  let outside: Outside;
  let plane: ControlPlane;
  let node: KubernetesNode;
  let admin: AdminClient;
  let gateway: { id: string };
  let database: ProcessResource;
  let echo: Resource;
  let echoPort: number;
  const proxies: CuttableProxy[] = [];

  const platformValues = [
    'image.registry=docker.io/postern',
    'image.tag=latest',
    `platformHost=${staticAddress}`,
    'mongodb.databasePerService=true',
    `nats.url=tls://${outsideHosts.nats}:4222`,
    `service.loadBalancerIP=${staticAddress}`,
    ...['edge', ...services.slice(1)].map((name) => `${name}.resources.requests.cpu=10m`),
  ];

  before(async () => {
    assert(typeof tools !== 'string');
    folder = await makeScratch('kubernetes-outside');
    const hosts = join(folder, 'hosts');
    const names = Object.values(outsideHosts).join(' ');
    await writeFile(hosts, `127.0.0.1 localhost\n${here} ${names}\n`);
    makeBridge([here], hosts);
    for (const net of [podNet, '10.96.0.0/16', staticAddress]) route(net);
    database = await startPostgresql();
    echo = await startEcho();
    outside = await Outside.start(folder, here, hosts);
    const archive = saveImages(images, pauseImage, folder);
    plane = await ControlPlane.start(tools, { host: here, nodes: true });
    node = await KubernetesNode.start(plane, {
      name: 'node-1',
      address: nodeAddress,
      dnsServer: here,
      podNet,
      programs: {
        containerd: requireCommand('containerd'),
        ctr: requireCommand('ctr'),
        kubelet: tools.kubelet,
        'kube-proxy': tools['kube-proxy'],
      },
      images: archive,
      pauseImage: `docker.io/${pauseImage}`,
    });
    await makeStrictNamespace(plane, namespace);
    for (const service of services) {
      const files = join(outside.secrets, service);
      await inNamespace('create', 'secret', 'generic', `postern-${service}`, `--from-file=${files}`);
    }
  });
  after(async () => {
    await node?.stop();
    await plane?.stop();
    for (const proxy of proxies) await proxy.close();
    await database?.stop();
    await echo?.stop();
    await outside?.stop();
    removeScratch(folder);
  });

  test('helm install --wait ends when every pod is ready', async () => {
    const installing = helm('install', 'gateway', 'postern', platformValues);
    await giveAddress();
    await installing;
    const pods = await objects('pods');
    assert.equal(pods.length, 10);
    for (const { metadata, status } of pods) {
      const { conditions = [] } = status as { conditions?: { type: string; status: string }[] };
      assert(
        conditions.some((one) => one.type === 'Ready' && one.status === 'True'),
        metadata.name,
      );
    }
  });

  test('helm test finds the static Service and the admin API', async () => {
    for (const name of ['edge', 'admin']) {
      const { spec } = await object('service', `gateway-${name}`);
      assert(spec.clusterIP !== undefined);
      const fullName = `gateway-${name}.${namespace}.svc.cluster.local`;
      await outside.addName(`${fullName} gateway-${name}`, spec.clusterIP);
    }
    await plane.helm('test', 'gateway', '--namespace', namespace, '--timeout', `${testedWithinMs}ms`);
  });

  test('a client of its own chart carries psql from the static address to a database that only it reaches', async () => {
    const adminUrl = 'https://gateway-admin:7443';
    await outside.setUp('operator', { 'admin-url': adminUrl });
    const secret = (name: string): string => join(outside.secrets, 'operator', name);
    const caPem = readFileSync(secret('ca.pem'), 'utf8');
    admin = new AdminClient({ adminUrl, apiKey: readFileSync(secret('api-key'), 'utf8'), caPem });
    gateway = await admin.createGateway({ name: 'office' });
    const token = join(folder, 'token');
    await writeFile(token, (await admin.createToken(gateway.id)).token);
    const files = [`--from-file=token=${token}`, `--from-file=ca.pem=${secret('ca.pem')}`];
    await inNamespace('create', 'secret', 'generic', 'postern-client', ...files);
    const port = await destination('database', database);
    await helm('install', 'office', 'postern-client', [
      'image.repository=docker.io/postern/client',
      'image.tag=latest',
      `gatewayIds={${gateway.id}}`,
      `connect=https://${staticAddress}`,
      'privateCa=true',
      'resources.requests.cpu=10m',
    ]);
    await until('the client has a tunnel to each node', 30_000, async () => {
      const clients = await admin.clients(gateway.id);
      const ends = clients.map(({ tunnels }) => new Set(tunnels.map((tunnel) => tunnel.node)).size);
      return ends.length === 2 && ends.every((count) => count === 2);
    });
    const asked = ['-h', staticAddress, '-p', String(port), '-U', 'postgres', '-Atc', 'select 6 * 7'];
    assert.equal((await runCommand(tool('psql'), asked)).trim(), '42');
  });

  test('an upgrade replaces every pod without a failed call, and the static address and ports stay', async (t) => {
    echoPort = await destination('echo', echo);
    const front = { host: staticAddress, port: echoPort };
    await until('callers are served', 15_000, () => echoed(front));
    const service = await object('service', 'gateway-edge');
    const old = new Set((await objects('pods')).map(({ metadata }) => metadata.name + metadata.uid));
    const callers = new Callers(front);
    await helm('upgrade', 'gateway', 'postern', [...platformValues, 'podAnnotations.turn=second']);
    await callers.stop();
    t.diagnostic(
      `${callers.served} calls during the upgrade, the slowest took ${callers.slowestMs.toFixed(0)} ms`,
    );
    assert.deepEqual(callers.failures, []);
    assert(callers.served > 0);
    assert.deepEqual((await object('service', 'gateway-edge')).spec, service.spec);
    const platform = (await objects('pods', 'app.kubernetes.io/name=postern')).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    assert.equal(platform.length, 10);
    assert(platform.every(({ metadata }) => !old.has(metadata.name + metadata.uid)));
  });

  test('a node’s pod that is deleted serves the connections it has until they end, and takes no new ones', async () => {
    const { status } = await object('pod', 'gateway-edge-0');
    const { podIP } = status as { podIP: string };
    const direct = { host: podIP, port: echoPort };
    const probe = await startProbe(direct);
    const callers = new Callers({ host: staticAddress, port: echoPort });
    await inNamespace('delete', 'pod', 'gateway-edge-0', '--wait=false');
    await until('it takes no new connections', 15_000, () => refuses(direct));
    // Seconds: longer than the kernel would pass on what it had, or a drain without grace would last.
    await probe.run(200);
    await probe[Symbol.asyncDispose]();
    await until('another pod has its place and is ready', 60_000, async () => {
      const { status } = await object('pod', 'gateway-edge-0').catch(() => ({ status: {} }));
      const { conditions = [], podIP: now } = status as {
        conditions?: { type: string; status: string }[];
        podIP?: string;
      };
      return now !== podIP && conditions.some((one) => one.type === 'Ready' && one.status === 'True');
    });
    await callers.stop();
    assert.deepEqual(callers.failures, []);
  });

  /** Has the resource in the private network, on an address that pods reach; returns its front's port. */
  async function destination(name: string, resource: Resource): Promise<number> {
    const proxy = await CuttableProxy.listen(resource, { host: here });
    proxies.push(proxy);
    const rules = proxies.map(({ port }) => ({
      action: 'allow' as const,
      host: here,
      port: String(port),
    }));
    await admin.putAccessList(gateway.id, rules);
    const { front } = await admin.createDestination(gateway.id, {
      name,
      resource: { host: here, port: proxy.port },
    });
    assert(front !== undefined);
    return front.port;
  }

  /** As the cloud's controller does. */
  async function giveAddress(): Promise<void> {
    await until('there is a Service', 30_000, async () => {
      return (await objects('services')).some(({ metadata }) => metadata.name === 'gateway-edge');
    });
    const status = { loadBalancer: { ingress: [{ ip: staticAddress }] } };
    const patch = ['--subresource=status', '--type=merge', '--patch', JSON.stringify({ status })];
    await inNamespace('patch', 'service', 'gateway-edge', ...patch);
  }

  function helm(verb: string, name: string, chart: string, set: readonly string[]): Promise<string> {
    const options = ['--namespace', namespace, '--wait', '--timeout', `${installedWithinMs}ms`];
    return plane.helm(verb, name, join(chartFolder, chart), ...options, ...setArguments(set));
  }

  function inNamespace(...args: string[]): Promise<string> {
    return plane.kubectl('--namespace', namespace, ...args);
  }

  async function objects(kind: string, selector = ''): Promise<readonly KubernetesObject[]> {
    const asked = ['--namespace', namespace, kind, '--selector', selector];
    return (await plane.get<{ items: readonly KubernetesObject[] }>(...asked)).items;
  }

  function object(kind: string, name: string): Promise<KubernetesObject> {
    return plane.get<KubernetesObject>('--namespace', namespace, kind, name);
  }
}

/** What is reached by way of the node. */
function route(net: string): void {
  execFileSync('ip', ['route', 'add', net, 'via', nodeAddress], { stdio: 'pipe' });
}

function refuses({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}
