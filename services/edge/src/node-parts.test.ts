import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics, silentLogger } from '@postern/telemetry';
import { frontOf, policyOf, routeOf } from './fixture/documents.ts';
import { optionsOf } from './fixture/node.ts';
import { Platform } from './fixture/platform.ts';
import { NodeParts } from './node-parts.ts';

test('however many destinations change together, all callers of their gateway are judged once', async (t) => {
  const platform = await Platform.start();
  t.after(() => platform.stop());
  platform.setPolicy(policyOf());
  const put = (gatewayName: string): void => {
    for (let n = 0; n < 50; n += 1)
      platform.setRoute(routeOf({ id: `d${n}`, gatewayName, front: frontOf({ port: 1 + n }) }));
  };
  put('plant');
  const parts = { options: optionsOf(), bus: platform.hub.connect(), logger: silentLogger };
  const node = new NodeParts(
    { ...parts, metrics: new Metrics(), version: 'test', alone: true },
    { ready: () => true, serving: () => true },
  );
  await node.followers.start(AbortSignal.timeout(10_000));
  t.after(() => node.followers.stop());
  const judged = [node.callers, node.cloud.streams].map((all) => t.mock.method(all, 'judgeAgain'));
  put('renamed');
  platform.deleteRoute('d0');
  await node.followers.catchUp();
  assert.equal(node.followers.routes.items.size, 49);
  assert.deepEqual(
    judged.map(({ mock }) => mock.calls.map((call) => call.arguments)),
    [[['g1']], [['g1']]],
  );
});
