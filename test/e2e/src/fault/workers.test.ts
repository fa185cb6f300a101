// Several nodes on one machine that share its fronts and its connect port: by the cluster's hand, so that each can be killed and
// started by name, and by the edge's own, which starts again what dies and ends all together.

import assert from 'node:assert/strict';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type Endpoint,
  type Part,
  type Resource,
  type Site,
  bootCluster,
  startEcho,
  startPart,
  type Probe,
  startProbe,
} from '@postern/test-cluster';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { nodesOf, startLinkedSite } from './linked-cluster.ts';
import { inTime, until } from './patience.ts';

const main = join(import.meta.dirname, '../../../../services/edge/src/main.ts');

describe('two workers on one machine', () => {
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;

  before(async () => {
    echo = await startEcho();
    cluster = await bootCluster({ nodes: 1, workers: 2 });
    site = await startLinkedSite(cluster, 'shared', { echo }, 2);
  });
  after(async () => {
    await site.stop();
    await cluster.stop();
    await echo.stop();
  });

  test('each is a node with ports of its own, and callers of the one front come to both', async () => {
    const names = cluster.processes.filter(({ kind }) => kind === 'edge').map(({ name }) => name);
    assert.deepEqual(names, ['edge-1.1', 'edge-1.2']);
    const nodes = await cluster.admin.nodes();
    assert.deepEqual(nodes.map(({ name, zone }) => `${name} ${zone}`).toSorted(), [
      'edge-1-1 zone-edge-1',
      'edge-1-2 zone-edge-1',
    ]);
    assert.equal(new Set(nodes.map(({ address }) => address)).size, 2, 'tunnel ports differ');
    assert.deepEqual((await nodesOf(site)).toSorted(), ['edge-1-1', 'edge-1-2']);
    const { tunnelPort } = cluster.layout;
    for (const name of names) {
      assert.match(await ops(name, '/metrics'), /^postern_edge_tunnels\{transport="direct"\} 1$/m);
      assert.match(await ops(name, '/readyz'), /"ready":true/);
      assert.match(cluster.part(name).output.tail, /"worker":[12]/);
    }
    assert.ok(nodes.some(({ address }) => address.endsWith(`:${tunnelPort}`)));
    await using probes = await probesOnBoth();
    await Promise.all(probes.all.map((probe) => probe.run()));
  });

  test('one is killed: new callers and first calls are served within 2 s, streams of the other go on', async () => {
    await using probes = await probesOnBoth();
    const before = await callersOf('edge-1.1');
    await cluster.kill('edge-1.2');
    await inTime('a new caller is served', 2_000, untilEchoed(site.front('echo')));
    const broken = await Promise.all(probes.all.map((probe) => Promise.race([probe.ended, probe.run(20)])));
    assert.equal(broken.filter((end) => end === undefined).length, before, 'streams of the other go on');
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => tryEcho(site.front('echo'))));
    assert.deepEqual(new Set(outcomes), new Set(['echoed']));
    for (let call = 0; call < 10; call += 1) assert.equal(await firstCall(), 405);
    await cluster.restart('edge-1.2');
    await until('it takes callers again', 10_000, async () => {
      await tryEcho(site.front('echo'));
      return /postern_edge_streams_total [1-9]/.test(await ops('edge-1.2', '/metrics'));
    });
  });

  test('the edge starts workers itself, starts one that dies again, and SIGTERM drains all of them', async () => {
    await using machine = await startMachine(2);
    const front = { host: machine.host, port: site.front('echo').port };
    await until('all workers are ready', 15_000, async () => {
      return (await machine.workers()).every(({ ready }) => ready);
    });
    const [first, second] = await machine.workers();
    assert.deepEqual([first?.node, second?.node], ['edge-2-1', 'edge-2-2']);
    await until('its front is served', 10_000, async () => (await tryEcho(front)) === 'echoed');
    process.kill(first?.pid ?? 0, 'SIGKILL');
    await inTime('a new caller is served', 2_000, untilEchoed(front));
    await until('the dead one is back', 15_000, async () => {
      const [now] = await machine.workers();
      return now?.ready === true && now.pid !== first?.pid && now.restarts === 1;
    });
    const metrics = await machine.ops('/metrics');
    assert.match(metrics, /^postern_edge_worker_restarts_total 1$/m);
    assert.match(metrics, /^postern_edge_workers\{state="ready"\} 2$/m);

    await using caller = new Caller(front);
    await caller.echo('before');
    machine.part.kill('SIGTERM');
    await until('new callers are turned away', 10_000, async () => (await tryEcho(front)) !== 'echoed');
    await caller.echo('its grace');
    caller.socket.end();
    assert.equal(await caller.ending(), 'ended');
    assert.deepEqual(await machine.part.exited, { code: 0, signal: null });
    for (const pid of machine.pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  });

  test('workers go when their supervisor is killed, and settings that cannot be end with 78', async () => {
    await using machine = await startMachine(3);
    await machine.workers();
    process.kill(machine.part.pid, 'SIGKILL');
    await until('its workers have drained and ended', 15_000, () =>
      [...machine.pids].every((pid) => !isRunning(pid)),
    );
    const bad = startPart({
      name: 'bad',
      command: process.execPath,
      args: [main, '--nats-url', cluster.busUrl, '--workers', '2', '--connect-port', '0', '--ops-port', '0'],
      logFile: join(cluster.state, 'logs', 'bad.log'),
      ready: { line: /never/ },
    });
    await assert.rejects(bad, /code 78[\s\S]*share the connect port/);
  });

  /** Probes of the front until each worker has some. */
  async function probesOnBoth(): Promise<{ all: Probe[] } & AsyncDisposable> {
    await until('callers of the test before have gone', 5_000, async () => {
      return (await callersOf('edge-1.1')) + (await callersOf('edge-1.2')) === 0;
    });
    const all: Probe[] = [];
    const dispose = async (): Promise<void> => {
      await Promise.all(all.map((probe) => probe[Symbol.asyncDispose]()));
    };
    try {
      while ((await callersOf('edge-1.1')) === 0 || (await callersOf('edge-1.2')) === 0) {
        assert.ok(all.length < 100, 'a hundred callers came to one worker');
        all.push(await startProbe(site.front('echo')));
      }
      return { all, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  async function callersOf(name: string): Promise<number> {
    return Number(
      /^postern_edge_callers\{state="open"\} (\d+)$/m.exec(await ops(name, '/metrics'))?.[1] ?? 0,
    );
  }

  function ops(name: string, path: string): Promise<string> {
    const url = cluster.processes.find((one) => one.name === name)?.opsUrl;
    return text(`${url}${path}`);
  }

  function firstCall(): Promise<number> {
    return new Promise((resolve, reject) => {
      const url = new URL('/v1/connect', cluster.connectUrl);
      get(url, { agent: false, rejectUnauthorized: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', reject);
    });
  }

  /** A further machine of the cluster, whose workers the edge itself starts. */
  async function startMachine(n: number) {
    const host = cluster.net.address(n);
    const { layout } = cluster;
    const opsPort = layout.edges[0]?.worker?.opsPortGiven ?? 0;
    const url = `http://${host}:${opsPort}`;
    const flags = Object.entries({
      name: `edge-${n}`,
      workers: 2,
      'nats-url': cluster.busUrl,
      'listen-host': host,
      'advertise-host': host,
      'ops-host': host,
      'ops-port': opsPort,
      'connect-port': layout.connectPort,
      'tunnel-port': layout.tunnelPort,
      'link-port': layout.linkPort,
      'drain-delay-ms': 200,
      'join-delay-ms': 1_100,
    }).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const part: Part = await startPart({
      name: `machine-${n}`,
      command: process.execPath,
      args: [main, ...flags],
      logFile: join(cluster.state, 'logs', `machine-${n}.log`),
      ready: { url: `${url}/readyz` },
    });
    const pids = new Set<number>();
    return {
      host,
      part,
      pids,
      ops: (path: string) => text(`${url}${path}`),
      workers: async (): Promise<ShownWorker[]> => {
        const workers = JSON.parse(await text(`${url}/status/workers`)) as ShownWorker[];
        for (const { pid } of workers) if (pid !== null) pids.add(pid);
        return workers;
      },
      [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
    };
  }
});

interface ShownWorker {
  readonly node: string;
  readonly pid: number | null;
  readonly ready: boolean;
  readonly restarts: number;
}

async function text(url: string): Promise<string> {
  return (await fetch(url)).text();
}

async function untilEchoed(front: Endpoint): Promise<void> {
  await until('a caller is served', 60_000, async () => (await tryEcho(front)) === 'echoed');
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
