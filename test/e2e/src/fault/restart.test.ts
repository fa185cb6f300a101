// Processes that die and come back: the client by kill -9, nodes by SIGTERM and by kill -9. Who was connected is told at
// once, who calls afterwards is served, and every front is where it was.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type Resource,
  type Site,
  bootCluster,
  bootStandalone,
  startEcho,
  startSite,
  startProbe,
} from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { liveNodesOf } from './linked-cluster.ts';
import { inTime, patience, until } from './patience.ts';
import { report } from './report.ts';

describe('on a cluster of two nodes', () => {
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;
  const nodes = [0, 1] as const;

  before(async () => {
    echo = await startEcho();
    cluster = await bootCluster({ nodes: 2 });
    site = await startSite(cluster, { resources: { echo } });
    await served(site, nodes, 10_000);
  });
  after(async () => {
    await site.stop();
    await cluster.stop();
    await echo.stop();
  });

  test('a client that is killed and started again: its callers are reset at once, new ones served within 2 s', async (t) => {
    const callers = nodes.map((node) => new Caller(site.front('echo', node)));
    for (const caller of callers) await caller.echo('before');
    const { clientId } = site.client;
    await site.client.kill();
    const started = site.client.part.start();
    const reset = started.then(() => Promise.all(callers.map((caller) => caller.ending())));
    const recoveredMs = await inTime('new callers are served', 2_000, served(site, nodes, 60_000));
    await started;
    // From the moment that the new one is connected nobody is left in doubt.
    await inTime('callers of the former are reset', 1_000, reset);
    assert.deepEqual(await reset, ['ECONNRESET', 'ECONNRESET']);
    assert.equal(site.client.clientId, clientId);
    report(t, { fault: 'the client killed and started again', done: 2, failed: 0, recoveredMs });
  });

  for (const [how, stop] of [
    ['asked to stop', () => cluster.part('edge-1').stop()],
    ['killed', () => cluster.kill('edge-1')],
  ] as const) {
    test(`a node that is ${how} and started again: the client is back within 5 s, fronts are the same`, async (t) => {
      const before = await cluster.admin.fronts();
      await using other = await startProbe(site.front('echo', 1));
      await using lost = new Caller(site.front('echo', 0));
      await lost.echo('before');
      // The grace of a node that stops is for its callers; without them it stops at once.
      if (how === 'asked to stop') lost.socket.destroy();
      await stop();
      assert.notEqual(await lost.ending(), 'still open');
      assert.notEqual(await tryEcho(site.front('echo', 0)), 'echoed');
      await cluster.restart('edge-1');
      // By a tunnel of its own there: callers are served before that, through the other node.
      const back = until('a tunnel at edge-1', 60_000, async () =>
        (await liveNodesOf(site)).includes('edge-1'),
      );
      const recoveredMs = await inTime('the client is back', 5_000, back);
      await inTime('callers are served', 1_000, served(site, [0], 60_000));
      const place = ({ destinationId, host, port }: (typeof before)[number]): object => {
        return { destinationId, host, port };
      };
      assert.deepEqual((await cluster.admin.fronts()).map(place), before.map(place));
      await other.run();
      report(t, { fault: `a node ${how} and started again`, done: 1, failed: 0, recoveredMs });
    });
  }

  test('a node that is gone for 15 s is found again within 5 s of its return', async (t) => {
    await cluster.kill('edge-2');
    await passed(15_000);
    await cluster.restart('edge-2');
    const back = until('a tunnel at edge-2', 90_000, async () =>
      (await liveNodesOf(site)).includes('edge-2'),
    );
    const recoveredMs = await inTime('the client is back', 5_000 + 500, back);
    await inTime('callers are served', 1_000, served(site, [1], 60_000));
    report(t, { fault: 'a node gone for 15 s', done: 1, failed: 0, recoveredMs });
  });
});

test('standalone that is killed and started again: the same fronts, and the client is back within 5 s', async () => {
  await using echo = await startEcho();
  await using platform = await bootStandalone();
  await using site = await startSite(platform, { resources: { echo } });
  await served(site, [0], 10_000);
  platform.part.kill('SIGKILL');
  await platform.part.exited;
  await platform.part.start();
  await inTime('the client is back', 5_000, served(site, [0], 60_000));
});

/** Until a caller is served at each of these nodes; the same front as before, or it never is. */
async function served(site: Site, nodes: readonly number[], promisedMs: number): Promise<void> {
  for (const node of nodes) {
    await until(`callers of node ${node} are served`, promisedMs * patience, async () => {
      return (await tryEcho(site.front('echo', node))) === 'echoed';
    });
  }
}
