// A node that is emptied, and nobody notices: its clients open tunnels elsewhere first, streams that it relays go on by
// another, its own callers finish within their grace. Then every node is restarted, one after the other, under load.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import {
  type Cluster,
  type ExchangeServer,
  type Resource,
  type Site,
  exchange,
  startEcho,
  startExchangeServer,
  startProbe,
} from '@postern/test-cluster';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { Balancer } from './balancer.ts';
import {
  type LinkedCluster,
  bootLinkedCluster,
  indexOf,
  liveNodesOf,
  nodesOf,
  served,
  startLinkedSite,
} from './linked-cluster.ts';
import { startLoad } from './load.ts';
import { inTime, until } from './patience.ts';
import { report } from './report.ts';

const MIB = 1024 * 1024;
const all = [0, 1, 2] as const;
const run = promisify(execFile);
const rootFolder = join(import.meta.dirname, '../../../..');

describe('on a cluster of three nodes', () => {
  let linked: LinkedCluster;
  let cluster: Cluster;
  let echo: Resource;
  let resource: ExchangeServer;

  before(async () => {
    [echo, resource] = await Promise.all([startEcho(), startExchangeServer()]);
    // As long as a drain may take: whoever stops a node here wants to see it end by itself.
    linked = await bootLinkedCluster({ nodes: 3, stopWithinMs: 60_000 });
    ({ cluster } = linked);
  });
  after(async () => {
    await linked[Symbol.asyncDispose]();
    await Promise.all([echo.stop(), resource.stop()]);
  });

  const siteOf = (name: string, tunnels: number): Promise<Site> =>
    startLinkedSite(cluster, name, { echo, exchange: resource }, tunnels);
  const nodeNamed = async (name: string) => (await cluster.admin.nodes()).find((node) => node.name === name);

  test('postern nodes drain: tunnels leave first, relayed streams go on, own callers finish, and it tells how far it is', async () => {
    await using site = await siteOf('drained', 1);
    await served(site, 'echo', all);
    const [holder = ''] = await nodesOf(site);
    const at = indexOf(cluster, holder);
    const [other = 0] = all.filter((node) => node !== at);
    await using relayed = await startProbe(site.front('echo', other));
    const running = exchange(site.front('exchange', other), {
      sendBytes: 24 * MIB,
      receiveBytes: 48 * MIB,
      seed: 1,
    });
    const own = new Caller(site.front('echo', at));
    await own.echo('before');
    const draining = run(process.execPath, [
      join(rootFolder, 'apps/cli/src/main.ts'),
      '--url',
      cluster.adminUrl,
      '--ca',
      cluster.caFile,
      '--key-file',
      join(cluster.state, 'api-key'),
      'nodes',
      'drain',
      holder,
      '--json',
    ]);
    await until('the client has its tunnel at another node', 15_000, async () => {
      return (await nodesOf(site)).some((node) => node !== holder);
    });
    // Whoever was there goes on, and keeps the drain waiting.
    await own.echo('still here');
    await relayed.run(5);
    assert.equal((await nodeNamed(holder))?.draining, true);
    assert.equal((await nodeNamed(holder))?.ready, false);
    own.socket.end();
    const { stdout, stderr } = await draining;
    const drained = JSON.parse(stdout) as { draining: boolean; tunnels: number; callers: number };
    assert.deepEqual([drained.draining, drained.tunnels, drained.callers], [true, 0, 0]);
    assert.match(stderr, new RegExp(`${holder}: \\d+ tunnels, \\d+ callers are left`));
    assert.equal(await own.ended, 'ended');
    assert.equal((await running).cause, null);
    await relayed.run(3);
    assert.notEqual(await tryEcho(site.front('echo', at)), 'echoed');
    await cluster.part(holder).stop();
    await cluster.restart(holder);
    await linked.linked(20_000);
    await served(site, 'echo', all);
  });

  test('all nodes are restarted one by one under load: no request fails, and tunnels spread again', async (t) => {
    await using site = await siteOf('rolling', 2);
    // A client with one tunnel has another before that goes.
    await using single = await siteOf('rolling-single', 1);
    await served(site, 'echo', all);
    await served(single, 'echo', all);
    await using balancer = await Balancer.listen(cluster, site.front('exchange').port);
    await using singleBalancer = await Balancer.listen(cluster, single.front('exchange').port);
    await using load = startLoad(balancer.address);
    await using singleLoad = startLoad(singleBalancer.address);
    for (const { name } of cluster.layout.edges) {
      await load.more(20);
      const exit = await cluster.part(name).stop();
      assert.deepEqual(exit, { code: 0, signal: null }, `${name} ended by itself`);
      await load.more(20);
      await cluster.restart(name);
      await until(`${name} takes callers again`, 10_000, async () => (await nodeNamed(name))?.ready === true);
    }
    await load.more(20);
    const ofSingle = await singleLoad.stop();
    const { done, failures, longestMs } = await load.stop();
    assert.deepEqual([...failures, ...ofSingle.failures], []);
    assert.ok(done >= 140 && ofSingle.done > 0);
    report(t, { fault: 'all nodes restarted one by one', done, failed: 0, recoveredMs: longestMs });
    await until('tunnels end at two nodes', 15_000, async () => new Set(await nodesOf(site)).size === 2);
  });

  test('a client that saw one node only moves a tunnel as soon as there is another, and no stream breaks', async () => {
    await using site = await siteOf('one-node', 2);
    for (const name of ['edge-2', 'edge-3']) await cluster.kill(name);
    try {
      await until(
        'both tunnels end at one node',
        10_000,
        async () => (await liveNodesOf(site)).join() === 'edge-1,edge-1',
      );
      await using probe = await startProbe(site.front('echo', 0));
      await cluster.restart('edge-2');
      const spread = until(
        'tunnels end at two nodes',
        60_000,
        async () => (await liveNodesOf(site)).toSorted().join() === 'edge-1,edge-2',
      );
      await inTime('one tunnel moves', 5_000, spread);
      await probe.run(5);
    } finally {
      if (!cluster.part('edge-2').isRunning) await cluster.restart('edge-2');
      await cluster.restart('edge-3');
      await linked.linked(20_000);
    }
  });
});
