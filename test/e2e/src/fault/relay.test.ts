// Nodes that relay for each other: a caller of any node is served, wherever the client's tunnels end. Then nodes are
// killed, links cut and silenced, NATS goes, in the middle of transfers: streams go on by every path that is left, every
// byte right at both ends.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type ExchangeResult,
  type ExchangeServer,
  type ProxiedConnection,
  type Resource,
  type Site,
  exchange,
  startEcho,
  startExchangeServer,
  startProbe,
} from '@postern/test-cluster';
import { Caller } from '../fixture/caller.ts';
import {
  type LinkedCluster,
  bootLinkedCluster,
  indexOf,
  nodesOf,
  served,
  startLinkedSite,
} from './linked-cluster.ts';
import { inTime, patience, until } from './patience.ts';
import { report } from './report.ts';

const MIB = 1024 * 1024;
const bytes = { sendBytes: 12 * MIB + 7, receiveBytes: 16 * MIB + 3 };
const all = [0, 1, 2] as const;
const transferMs = 60_000;
/** What a stream may stand still for when the node that holds its tunnel dies, or the link to it breaks. */
const pauseMs = 3_000;

describe('on a cluster of three nodes', () => {
  let linked: LinkedCluster;
  let cluster: Cluster;
  let echo: Resource;
  let resource: ExchangeServer;

  before(async () => {
    [echo, resource] = await Promise.all([startEcho(), startExchangeServer()]);
    linked = await bootLinkedCluster({ nodes: 3 });
    ({ cluster } = linked);
  });
  after(async () => {
    await linked[Symbol.asyncDispose]();
    await Promise.all([echo.stop(), resource.stop()]);
  });

  const siteOf = (name: string, tunnels: number): Promise<Site> =>
    startLinkedSite(cluster, name, { echo, exchange: resource }, tunnels);
  const others = (nodes: readonly string[]): number[] =>
    all.filter((node) => !nodes.includes(cluster.layout.edges[node]?.name ?? ''));

  test('a client with one tunnel is reached from every node, with every byte right', async () => {
    await using site = await siteOf('one-tunnel', 1);
    await served(site, 'echo', all);
    const results = await Promise.all(
      all.map((node) => exchange(site.front('exchange', node), { ...bytes, seed: node })),
    );
    for (const result of results) assert.equal(result.cause, null);
  });

  test('the node that holds the only tunnel is killed: streams of other nodes go on, after a pause below 3 s', async (t) => {
    await using site = await siteOf('holder-killed', 1);
    await served(site, 'echo', all);
    const [holder = ''] = await nodesOf(site);
    const [near = 0, far = 0] = others([holder]);
    await using probe = await startProbe(site.front('echo', near));
    const running = [near, far].map((node) =>
      exchange(site.front('exchange', node), { ...bytes, seed: 10 + node }),
    );
    await using lost = new Caller(site.front('echo', indexOf(cluster, holder)));
    await lost.echo('before');
    probe.forget();
    await cluster.kill(holder);
    // Whoever called at the node itself is told at once, and finds the same front at another.
    await inTime('callers of the dead node are reset', 1_000, lost.ended);
    await inTime('new callers are served', 2_000, served(site, 'echo', [near, far], 60_000));
    await assertWhole(running);
    await probe.run();
    assert.ok(
      probe.longestMs < pauseMs * patience,
      `the longest pause was ${Math.round(probe.longestMs)} ms`,
    );
    const { length: done } = running;
    report(t, { fault: 'the node with the tunnel killed', done, failed: 0, recoveredMs: probe.longestMs });
    await cluster.restart(holder);
    await linked.linked();
    await served(site, 'echo', all);
  });

  test('links that are cut again and again: relayed streams go on', async (t) => {
    await using site = await siteOf('links-cut', 1);
    await served(site, 'echo', all);
    const [holder = ''] = await nodesOf(site);
    const [near = 0] = others([holder]);
    await using probe = await startProbe(site.front('echo', near));
    const running = others([holder]).map((node) =>
      exchange(site.front('exchange', node), { ...bytes, seed: 20 + node }),
    );
    for (let cuts = 0; cuts < 5; cuts += 1) {
      const before = carried();
      await until('bytes pass', transferMs, () => carried() > before + 2 * MIB);
      for (const proxy of linked.links.values()) proxy.cut();
    }
    await assertWhole(running);
    await probe.run();
    assert.ok(
      probe.longestMs < pauseMs * patience,
      `the longest pause was ${Math.round(probe.longestMs)} ms`,
    );
    report(t, {
      fault: 'all links cut 5 times',
      done: running.length,
      failed: 0,
      recoveredMs: probe.longestMs,
    });
  });

  test('a link that swallows everything is found within 10 s, and its streams go on by another node', async (t) => {
    await using site = await siteOf('black-hole', 2);
    await served(site, 'echo', all);
    // All anew, so that the link which carries this transfer is the one that carried most.
    for (const proxy of linked.links.values()) proxy.cut();
    await served(site, 'echo', all);
    const [node = 0] = others(await nodesOf(site));
    const large = { sendBytes: 64 * MIB + 5, receiveBytes: 96 * MIB + 1, seed: 25 };
    const running = exchange(site.front('exchange', node), large);
    await until('bytes pass', transferMs, () => (busiest()?.bytes ?? 0) > 8 * MIB);
    // The one link that carries the stream, and nobody is told.
    busiest()?.pause();
    const recoveredMs = await inTime('new callers are served', 10_000, served(site, 'echo', [node], 60_000));
    await assertWhole([running]);
    report(t, { fault: 'a link swallows everything', done: 1, failed: 0, recoveredMs });
    const { milliseconds } = await running;
    assert.ok(milliseconds > 1_000, 'the transfer was over before the link failed');
    assert.ok(milliseconds < (10_000 + 10_000) * patience, `it took ${Math.round(milliseconds)} ms`);
    await linked.linked(20_000);
  });

  test('a link that loses what goes one way, whichever, is found within 10 s, and its streams go on', async (t) => {
    await using site = await siteOf('one-way', 1);
    await served(site, 'echo', all);
    // All anew, so that each proxy carries the links of now alone.
    for (const proxy of linked.links.values()) proxy.cut();
    await served(site, 'echo', all);
    const [holder = ''] = await nodesOf(site);
    const large = { sendBytes: 24 * MIB + 5, receiveBytes: 24 * MIB + 1 };
    const callers = others([holder]);
    const found: number[] = [];
    for (const [turn, way] of (['toTarget', 'fromTarget'] as const).entries()) {
      const node = callers[turn] ?? 0;
      const running = exchange(site.front('exchange', node), { ...large, seed: 40 + turn });
      const before = busiest()?.bytes ?? 0;
      await until('bytes pass', transferMs, () => (busiest()?.bytes ?? 0) > before + 4 * MIB);
      busiest()?.pauseOneWay(way);
      await using probe = new Caller(site.front('echo', node));
      found.push(await inTime('a new caller is served', 10_000, probe.echo('hello')));
      await assertWhole([running]);
      // So that the next one is the busiest again.
      for (const proxy of linked.links.values()) proxy.cut();
      await served(site, 'echo', all);
    }
    report(t, { fault: 'a link loses one way', done: 2, failed: 0, recoveredMs: Math.max(...found) });
  });

  test('two nodes that cannot reach each other, with NATS there: fronts go on by the third', async (t) => {
    await using site = await siteOf('split', 2);
    await served(site, 'echo', all);
    // Every link to edge-3: it relays for nobody, and nobody for it.
    const proxy = linked.linkTo('edge-3');
    const running = exchange(site.front('exchange', 0), { ...bytes, seed: 30 });
    const away = exchange(site.front('exchange', 1), { ...bytes, seed: 31 });
    proxy.refuse();
    proxy.cut();
    try {
      const recoveredMs = await inTime('both serve', 10_000, served(site, 'echo', [0, 1]));
      await assertWhole([running, away]);
      report(t, { fault: 'a node without links, with NATS', done: 2, failed: 0, recoveredMs });
    } finally {
      proxy.resume();
      await linked.linked(20_000);
    }
    await served(site, 'echo', all);
  });

  test('without NATS nodes tell each other over their links who has which tunnels', async (t) => {
    await using site = await siteOf('without-nats', 1);
    await served(site, 'echo', all);
    const [holder = ''] = await nodesOf(site);
    await using probe = await startProbe(site.front('echo', others([holder])[0]));
    await cluster.kill('nats-1');
    try {
      await cluster.kill(holder);
      // The tunnel is made anew at another node by the ticket at hand, and the third hears of it by its link alone.
      const recoveredMs = await inTime(
        'callers of the nodes that are left are served',
        10_000,
        served(site, 'echo', others([holder]), 60_000),
      );
      await probe.run();
      report(t, { fault: 'NATS and the node with the tunnel killed', done: 1, failed: 0, recoveredMs });
    } finally {
      await cluster.restart('nats-1');
      await cluster.restart(holder);
    }
    await linked.linked(20_000);
    await served(site, 'echo', all);
  });

  function carried(): number {
    let sum = 0;
    for (const proxy of linked.links.values()) sum += proxy.bytes;
    return sum;
  }

  /** The link that carried most since it was made. */
  function busiest(): ProxiedConnection | null {
    const open = [...linked.links.values()].flatMap((proxy) => proxy.busiest ?? []);
    return open.toSorted((a, b) => b.bytes - a.bytes)[0] ?? null;
  }
});

async function assertWhole(running: readonly Promise<ExchangeResult>[]): Promise<void> {
  await inTime('the transfers end', transferMs, Promise.all(running));
  for (const result of await Promise.all(running)) assert.equal(result.cause, null);
}
