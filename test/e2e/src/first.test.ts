import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Platform,
  bootCluster,
  bootInProcess,
  bootStandalone,
  exchange,
  startExchangeServer,
  startSite,
} from '@postern/test-cluster';

const platforms: Record<string, () => Promise<Platform>> = {
  'a platform inside this process': () => bootInProcess(),
  standalone: () => bootStandalone(),
  'a cluster of two nodes': () => bootCluster({ nodes: 2 }),
};

for (const [name, boot] of Object.entries(platforms)) {
  test(`bytes go both ways through a front of every node of ${name}, and come back unchanged`, async () => {
    await using resource = await startExchangeServer();
    await using platform = await boot();
    await using site = await startSite(platform, { resources: { exchange: resource } });
    for (const node of platform.nodeHosts.keys()) {
      const wanted = { sendBytes: 5_000_011, receiveBytes: 3_000_017, seed: node };
      const result = await exchange(site.front('exchange', node), wanted);
      assert.equal(result.cause, null);
    }
  });
}
