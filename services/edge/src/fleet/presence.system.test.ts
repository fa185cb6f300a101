import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { memoryBus } from '@postern/bus';
import { type NodeBeat, announce, ask, drainNode, listen, nodeBeat } from '@postern/contracts';
import { Metrics, createLogger, silentLogger } from '@postern/telemetry';
import { createEdge } from '../edge.ts';
import { TestClient } from '../fixture/client.ts';
import { type World, ended, optionsOf, until, withNode, withWorld } from '../fixture/node.ts';
import { Presence } from './presence.ts';

const tunnelsOf = (edge: World['edge']) => (edge.status() as { tunnels: { count: number } }).tunnels.count;

/** Somebody who only looks. */
function watcher(world: World, onOwnRulesElsewhere?: (gatewayId: string) => void): Presence {
  const address = { node: 'watcher', zone: '', host: 'h', port: 1, serverName: 'h' };
  const presence = new Presence({
    bus: world.platform.hub.connect(),
    logger: silentLogger,
    node: 'watcher',
    bootId: 'boot-watcher',
    version: '0.0.0',
    describe: () => ({ address, ready: true, draining: true }),
    onTunnelElsewhere: () => {},
    ...(onOwnRulesElsewhere === undefined ? {} : { onOwnRulesElsewhere }),
  });
  presence.listen();
  return presence;
}

test('nodes that are ready are given to clients until they drain', async () => {
  await withWorld(async (world) => {
    const presence = watcher(world);
    await withNode(world, { name: 'edge-2', zone: 'b' }, async (second) => {
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
    await withNode(world, { name: 'edge-2', zone: 'b' }, async (second) => {
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

test('a client’s other list of its own is heard of at other nodes, once for each change', async () => {
  await withWorld(async (world) => {
    const told: string[] = [];
    const presence = watcher(world, (gatewayId) => told.push(gatewayId));
    const client = new TestClient(world.platform);
    const session = await client.connect(world.edge.ports.tunnel);
    const rules = [{ action: 'deny' as const, host: '*', port: '*' }];
    session.sendControl({ kind: 'ownRules', rules });
    await until(() => told.length > 0);
    const [{ tunnel } = { tunnel: null }] = presence.elsewhere(told[0] ?? '');
    assert.deepEqual(tunnel?.ownRules, rules);
    assert.equal(told.length, 1);
    client.close();
    await presence.stop();
  });
});

test('a node in whose name another one beats says so once, with the other’s address', async () => {
  const bus = memoryBus();
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger({ name: 'test', destination: { write } });
  const twins = ['boot-one', 'boot-two'].map((bootId, index) => {
    const address = { node: 'edge-1', zone: '', host: `10.0.0.${index}`, port: 9000, serverName: 'h' };
    return new Presence({
      bus,
      logger,
      node: 'edge-1',
      bootId,
      version: '0.0.0',
      describe: () => ({ address, ready: true, draining: false }),
      onTunnelElsewhere: () => {},
    });
  });
  for (const twin of twins) twin.listen();
  for (const twin of twins) twin.announce();
  for (const twin of twins) twin.tellNews();
  await until(() => lines.length >= 2);
  const told = lines.map((line) => [line['code'], line['otherBootId'], line['otherAddress']].join(' '));
  assert.deepEqual(told.toSorted(), [
    'EDGE_NAME_TAKEN boot-one 10.0.0.0:9000',
    'EDGE_NAME_TAKEN boot-two 10.0.0.1:9000',
  ]);
  for (const twin of twins) await twin.stop();
});

test('a node in whose name somebody else says goodbye says so, and nothing when it says that itself', async () => {
  const bus = memoryBus();
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const address = { node: 'edge-1', zone: '', host: '10.0.0.1', port: 9000, serverName: 'h' };
  const presence = new Presence({
    bus,
    logger: createLogger({ name: 'test', destination: { write } }),
    node: 'edge-1',
    bootId: 'boot-one',
    version: '0.0.0',
    describe: () => ({ address, ready: true, draining: false }),
    onTunnelElsewhere: () => {},
  });
  const beats: NodeBeat[] = [];
  const heard = listen(bus, nodeBeat, (beat) => void beats.push(beat), assert.ifError);
  presence.listen();
  presence.announce();
  await until(() => beats.length > 0);
  const [beat] = beats;
  assert.ok(beat);
  announce(bus, nodeBeat, { ...beat, goodbye: true });
  await until(() => lines.length > 0);
  assert.match(
    `${String(lines[0]?.['code'])} ${String(lines[0]?.['msg'])}`,
    /^EDGE_NAME_TAKEN .*said goodbye/,
  );
  await presence.stop();
  await bus.flush();
  assert.equal(beats.at(-1)?.goodbye, true);
  assert.equal(lines.length, 1);
  heard.close();
});

test('a node that is drained while it still joins opens no fronts', async () => {
  await withWorld(async (world) => {
    const { platform, frontPort } = world;
    const node = createEdge({
      options: optionsOf({ name: 'edge-2', frontHost: '127.0.0.2', joinDelayMs: 300 }),
      bus: platform.hub.connect(),
      logger: silentLogger,
      metrics: new Metrics(),
      version: '0.0.0',
    });
    try {
      const started = node.start();
      await until(() => node.ports.tunnel > 0);
      await ask(platform.bus, drainNode, {}, { suffix: 'edge-2' });
      await started;
      assert.deepEqual([node.ports.connect, node.ports.http], [0, 0]);
      assert.equal(await ended(connect(frontPort, '127.0.0.2')), 'ECONNREFUSED');
      assert.ok(node.ready().waitingFor.includes('draining'));
    } finally {
      await node.stop();
    }
  });
});
