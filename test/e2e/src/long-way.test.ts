// A stream over a long way with a relay in it: 25 ms each way between the nodes, and as many to the client. What a hop may
// have under way is its window, so more than the first window between two ends of a hop shows that the window has grown.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CuttableProxy, exchange, startExchangeServer } from '@postern/test-cluster';
import { bootLinkedCluster, nodesOf, startLinkedSite } from './fault/linked-cluster.ts';

const MIB = 1024 * 1024;
const oneWayMs = 25;
const firstWindowBytes = 256 * 1024;
const hostOf = (node: string): string => `${node}.localhost`;

test('a relay gives a stream on a long way a larger window, in both directions, and every byte is right', async (t) => {
  await using resource = await startExchangeServer();
  await using linked = await bootLinkedCluster({
    nodes: 2,
    linkDelayMs: oneWayMs,
    nodeArgs: ({ name }) => ['--advertise-host', hostOf(name)],
  });
  const { cluster } = linked;
  const [near, far] = cluster.layout.edges;
  assert.ok(near !== undefined && far !== undefined);
  const host = cluster.net.address(210);
  const port = cluster.layout.tunnelPort;
  await using way = await CuttableProxy.listen({ host: far.address, port }, { host, port });
  way.delay(oneWayMs);
  // Nobody listens for the tunnels of the first node, so the client's one tunnel ends at the second.
  const addresses = [`${hostOf(near.name)}=${cluster.net.address(211)}`, `${hostOf(far.name)}=${host}`];
  const hosts = addresses.flatMap((one) => ['--hosts', one]);
  await using site = await startLinkedSite(cluster, 'far', { exchange: resource }, 1, hosts);
  assert.deepEqual(await nodesOf(site), [far.name]);

  const wanted = { sendBytes: 32 * MIB + 7, receiveBytes: 32 * MIB + 3, seed: 1 };
  const { cause, milliseconds } = await exchange(site.front('exchange', 0), wanted);
  assert.equal(cause, null);
  assert.ok(milliseconds > 4 * oneWayMs, 'the way was not long');
  // What comes from a side of the relay waits for its window on that side: of the caller on the link, of the client on the tunnel.
  const fromCaller = linked.linkTo(far.name).busiest?.underWayPeak('toTarget') ?? 0;
  const fromClient = way.busiest?.underWayPeak('toTarget') ?? 0;
  t.diagnostic(`took ${milliseconds.toFixed(0)} ms`);
  t.diagnostic(
    `${fromCaller} bytes were under way to the relay from the caller, ${fromClient} from the client`,
  );
  for (const peak of [fromCaller, fromClient])
    assert.ok(peak > 2 * firstWindowBytes, `no more than ${peak} bytes were under way`);
});
