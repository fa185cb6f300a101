import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootCluster, exchange, startExchangeServer, startSite } from '@postern/test-cluster';

test('bytes go both ways through a front of every node of a cluster, and come back unchanged', async () => {
  await using resource = await startExchangeServer();
  await using cluster = await bootCluster({ nodes: 2 });
  await using site = await startSite(cluster, { resources: { exchange: resource } });
  for (const node of [0, 1]) {
    const wanted = { sendBytes: 5_000_011, receiveBytes: 3_000_017, seed: node };
    const result = await exchange(site.front('exchange', node), wanted);
    assert.equal(result.cause, null);
  }
});
