// A rolling upgrade from the version before this one: owners first, then the nodes, one by one, while callers never stop;
// then a client of either version. Not one request fails.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Cluster,
  type Part,
  exchange,
  makeScratch,
  removeScratch,
  startClient,
  startExchangeServer,
  upgradeOf,
} from '@postern/test-cluster';
import { Balancer } from './fault/balancer.ts';
import { startLoad } from './fault/load.ts';
import { until } from './fault/patience.ts';
import { checkOut, findPreviousVersion } from './fixture/previous-version.ts';

/** Whoever others depend on comes first, so that nobody meets answers that are older than itself for long. */
const owners = ['certstore', 'router', 'acl', 'admin'];

test('every part is replaced by this version’s, one by one under load, and no request fails', async (t) => {
  const previous = await findPreviousVersion();
  if (previous === null) {
    // A shallow clone or an archive has no version before this one, and there is nowhere to fetch it from.
    return t.skip('NOT TESTED: the history here does not reach back to the version before this one');
  }
  t.diagnostic(`from ${previous.name}`);
  const folder = await makeScratch('upgrade');
  t.after(() => removeScratch(folder));
  const former = await checkOut(previous, join(folder, 'tree'));
  await using resource = await startExchangeServer();
  await using cluster: Cluster = await former.bootCluster({ nodes: 2, stopWithinMs: 30_000 });
  await using site = await former.startSite(cluster, { resources: { exchange: resource } });
  await using balancer = await Balancer.listen(cluster, site.front('exchange').port);
  await using load = startLoad(balancer.address);
  await using replaced = new Replaced(cluster, await upgradeOf(cluster));
  await load.more(10);
  for (const name of owners) {
    await replaced.replace(name);
    await load.more(5);
  }
  for (const { name } of cluster.layout.edges) {
    await replaced.replace(name);
    await until(`${name} takes callers again`, 15_000, async () => {
      const node = (await cluster.admin.nodes()).find((one) => one.name === name);
      return node?.ready === true && !node.draining;
    });
    await load.more(10);
  }
  const { done, failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.ok(done >= 50);
  // The client is of the former version still; one of this version takes over.
  assert.equal((await exchange(site.front('exchange', 1), wanted)).cause, null);
  await using client = await startClient({
    gatewayId: site.gateway.id,
    connectUrl: cluster.connectUrl,
    caFile: cluster.caFile,
    token: site.token.token,
    name: 'upgraded',
  });
  await site.client.stop();
  assert.notEqual(client.clientId, '');
  assert.equal((await exchange(site.front('exchange', 0), wanted)).cause, null);
});

const wanted = { sendBytes: 500_009, receiveBytes: 700_001, seed: 3 };

/** The parts that are of this version by now. */
class Replaced implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #make: (name: string) => Part;
  readonly #parts: Part[] = [];

  constructor(cluster: Cluster, make: (name: string) => Part) {
    this.#cluster = cluster;
    this.#make = make;
  }

  /** Stops a part as a service manager does, and starts this version's in its place. */
  async replace(name: string): Promise<void> {
    const exit = await this.#cluster.part(name).stop();
    assert.deepEqual(exit, { code: 0, signal: null }, `${name} ended by itself`);
    const part = this.#make(name);
    this.#parts.push(part);
    await part.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.stop()));
  }
}
