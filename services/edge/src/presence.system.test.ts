import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics, silentLogger } from '@postern/telemetry';
import { createEdge } from './edge.ts';
import { TestClient } from './fixture/client.ts';
import { type World, ended, optionsOf, until, withWorld } from './fixture/node.ts';
import { Presence } from './presence.ts';

const tunnelsOf = (edge: World['edge']) => (edge.status() as { tunnels: { count: number } }).tunnels.count;

/** A second node that serves no fronts of its own: its address has none of the ports. */
async function withSecondNode(world: World, work: (second: World['edge']) => Promise<void>): Promise<void> {
  const second = createEdge({
    options: optionsOf({ name: 'edge-2', zone: 'b', frontHost: '127.0.0.2' }),
    bus: world.platform.hub.connect(),
    logger: silentLogger,
    metrics: new Metrics(),
    version: '0.0.0',
  });
  try {
    await second.start();
    await work(second);
  } finally {
    await second.stop();
  }
}

/** Somebody who only looks. */
function watcher(world: World): Presence {
  const address = { node: 'watcher', zone: '', host: 'h', port: 1, serverName: 'h' };
  const presence = new Presence({
    bus: world.platform.hub.connect(),
    logger: silentLogger,
    node: 'watcher',
    bootId: 'boot-watcher',
    version: '0.0.0',
    describe: () => ({ address, ready: true, draining: true }),
    onTunnelElsewhere: () => {},
  });
  presence.listen();
  return presence;
}

test('nodes that are ready are given to clients until they drain', async () => {
  await withWorld(async (world) => {
    const presence = watcher(world);
    await withSecondNode(world, async (second) => {
      const names = () => new Set(presence.nodes().map((address) => address.node));
      await until(() => names().size === 2);
      assert.deepEqual(names(), new Set(['edge-1', 'edge-2']));
      const stopped = second.stop();
      await until(() => !names().has('edge-2'));
      await stopped;
    });
    await presence.stop();
  });
});

test('a later boot of a client at another node ends the former’s tunnels and streams here', async () => {
  await withWorld(async (world) => {
    await withSecondNode(world, async (second) => {
      const former = new TestClient(world.platform);
      await former.connect(world.edge.ports.tunnel);
      const caller = world.call();
      caller.write('a');
      await new Promise((resolve) => {
        caller.once('data', resolve);
      });
      const later = new TestClient(world.platform, { key: former.key, bootId: 'boot-two' });
      await later.connect(second.ports.tunnel);
      assert.equal(await ended(caller), 'ECONNRESET');
      await until(() => tunnelsOf(world.edge) === 0);
      assert.equal(tunnelsOf(second), 1);
      former.close();
      later.close();
    });
  });
});
