import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type Stream, TunnelError } from '@postern/tunnel';
import { TestClient } from '../fixture/client.ts';
import { resourceOf } from '../fixture/documents.ts';
import { type World, echoRoute, ended, exchange, until, withWorld } from '../fixture/node.ts';

/** A client that answers nothing, and is killed once it was asked. */
async function withKilled(
  { platform, edge }: World,
  call: () => Promise<void>,
  key?: TestClient['key'],
): Promise<void> {
  const options = { onStream: () => {}, ...(key === undefined ? {} : { key }) };
  const client = new TestClient(platform, options);
  const tunnel = await client.connect(edge.ports.tunnel);
  const called = call();
  await until(() => client.streams.length > 0);
  tunnel.destroy(new TunnelError('TUNNEL_CLOSED', 'killed by the test'));
  await called;
  client.close();
}

/** What a client does whose resource greets whoever comes. */
function greet(stream: Stream): void {
  stream.accept();
  stream.write(Buffer.from('hello'));
}

/** Says nothing until it hears something. */
async function listenTo(world: World): Promise<string> {
  const [greeting] = (await once(world.call(), 'data')) as [Buffer];
  return greeting.toString();
}

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

test('a caller that has said nothing is served by another client where the one that was asked is gone', async () => {
  await withWorld(async (world) => {
    const other = new TestClient(world.platform, { onStream: greet });
    await withKilled(world, async () => {
      const heard = listenTo(world);
      await until(() => (world.edge.status() as { callers: { opening: number } }).callers.opening === 1);
      await other.connect(world.edge.ports.tunnel);
      assert.equal(await heard, 'hello');
    });
    other.close();
  });
});

test('a caller that has said nothing is served by the client that is started anew', async () => {
  await withWorld(async (world) => {
    const again = new TestClient(world.platform, { bootId: 'boot-two', onStream: greet });
    let heard = Promise.resolve('');
    const call = async (): Promise<void> => void (heard = listenTo(world));
    await withKilled(world, call, again.key);
    await again.connect(world.edge.ports.tunnel);
    assert.equal(await heard, 'hello');
    again.close();
  });
});

test('a caller that has spoken is reset where the client that was asked is gone, and is asked of no other', async () => {
  await withWorld(
    async (world) => {
      const other = new TestClient(world.platform);
      await withKilled(world, async () => {
        const caller = world.call();
        caller.write('do it');
        await until(() => (world.edge.status() as { callers: { opening: number } }).callers.opening === 1);
        await other.connect(world.edge.ports.tunnel);
        assert.equal(await ended(caller), 'ECONNRESET');
      });
      assert.deepEqual(other.streams, []);
      other.close();
    },
    { limits: { openingWaitMs: 100 } },
  );
});
