// What is much does not stay relayed: the client opens a tunnel to the caller's node, and the running stream goes over to it
// with every byte right. That it goes back when that tunnel breaks is one of the faults of `pnpm chaos`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchange, startEcho, startExchangeServer } from '@postern/test-cluster';
import { bootLinkedCluster, nodesOf, served, startLinkedSite } from './linked-cluster.ts';
import { until } from './patience.ts';

const MIB = 1024 * 1024;
/** So slow a link that a transfer through it runs for longer than it takes to ask. */
const linkDelayMs = 50;

test('a stream of which much is relayed goes over to a tunnel of its node’s own, and later ones begin there', async (t) => {
  await using resource = await startExchangeServer();
  await using echo = await startEcho();
  await using linked = await bootLinkedCluster({ nodes: 2, linkDelayMs, relayedBytesPerSecondMax: MIB });
  await using site = await startLinkedSite(linked.cluster, 'asked', { echo, exchange: resource }, 1);
  await served(site, 'echo', [0, 1]);
  const [holder] = await nodesOf(site);
  const near = linked.cluster.layout.edges.findIndex(({ name }) => name !== holder);
  const relayedBytes = (): number => [...linked.links.values()].reduce((sum, { bytes }) => sum + bytes, 0);

  const large = { sendBytes: 512 * MIB + 7, receiveBytes: 512 * MIB + 3, seed: 1 };
  const running = exchange(site.front('exchange', near), large);
  await until('the caller’s node has a tunnel', 30_000, async () => (await nodesOf(site)).length === 2);
  assert.equal((await running).cause, null);
  const before = relayedBytes();
  t.diagnostic(`${Math.round(before / MIB)} of 1024 MiB were relayed`);
  assert.ok(before > MIB && before < large.sendBytes);

  const later = { sendBytes: 16 * MIB, receiveBytes: 16 * MIB, seed: 2 };
  assert.equal((await exchange(site.front('exchange', near), later)).cause, null);
  assert.ok(relayedBytes() - before < MIB, 'only what nodes tell each other');
});
