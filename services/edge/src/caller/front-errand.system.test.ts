import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { TestClient } from '../fixture/client.ts';
import { resourceOf } from '../fixture/documents.ts';
import { echoRoute, ended, exchange, until, withWorld } from '../fixture/node.ts';

test('a stream without a byte for the destination’s idle time-out is reset', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const resource = resourceOf({ host: '127.0.0.1', port: world.echo.port, idleTimeoutSeconds: 1 });
    world.platform.setRoute(echoRoute(world.frontPort, world.echo.port, { resource, name: 'idle' }));
    await until(
      () =>
        (world.edge.status() as { fronts: { shown: { name: string }[] } }).fronts.shown[0]?.name === 'idle',
    );
    const caller = world.call();
    caller.write('a');
    await once(caller, 'data');
    assert.equal(await ended(caller), 'ECONNRESET');
    client.close();
  });
});

test('what a caller sends before its stream is taken arrives once, whole and in order', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const text = Array.from({ length: 20_000 }, (_, i) => `${i} `).join('');
    const texts = await Promise.all([1, 2, 3].map(() => exchange(world.call(), text)));
    assert.deepEqual(
      texts.map((back) => back === text),
      [true, true, true],
    );
    client.close();
  });
});
