// A client that does not know what a destination needs would dial or listen plainly, so it is never asked to. The older
// client here says HELLO as it is pinned of version 1 (libs/tunnel/src/pinned).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ask, dialTargetOf, testAtClient } from '@postern/contracts';
import { TestClient } from './fixture/client.ts';
import { resourceOf, routeOf } from './fixture/documents.ts';
import { type World, echoRoute, ended, exchange, until, withNode, withWorld } from './fixture/node.ts';

const resourceTls = {
  mode: 'tls' as const,
  serverName: null,
  caCertificateIds: [],
  clientCertificateId: null,
  rejectUnauthorized: true,
};

/** The members of the client's HELLO in the pinned session of version 1. */
function pinnedHello(): object {
  const page = readFileSync(
    new URL('../../../libs/tunnel/src/pinned/version-1.hex', import.meta.url),
    'utf8',
  );
  const hex = /^client 01 .*\n((?:^ .*\n)+)/m.exec(page)?.[1] ?? '';
  const bytes = Buffer.from(hex.replaceAll(/;.*$|\s/gm, ''), 'hex');
  return { ...(JSON.parse(bytes.toString()) as object), bootId: 'boot-one' };
}

function lastCode({ edge }: World): Promise<string> {
  return until(() => {
    const { fronts } = edge.status() as { fronts: { shown: { lastRefusals: { code: string }[] }[] } };
    return fronts.shown[0]?.lastRefusals.at(-1)?.code;
  });
}

/** The destination's resource wants TLS from now on; resolves when the node knows. */
async function wantTls(world: World, echoPort = world.echo.port): Promise<void> {
  const route = echoRoute(world.frontPort, echoPort);
  world.platform.setRoute({ ...route, name: 'wants-tls', resource: { ...route.resource, tls: resourceTls } });
  await until(() => JSON.stringify(world.edge.status()).includes('wants-tls'));
}

test('a client of version 1, as pinned, serves what it knows, and is not asked to dial what wants TLS', async () => {
  await withWorld(async (world) => {
    const old = new TestClient(world.platform, { pinnedHello: pinnedHello() });
    await old.connect(world.edge.ports.tunnel);
    assert.equal(await exchange(world.call(), 'plain'), 'plain');
    await wantTls(world);
    assert.equal(await ended(world.call()), 'ECONNRESET');
    assert.equal(await lastCode(world), 'EDGE_CLIENT_OUTDATED');
    assert.equal(old.streams.length, 1);
    old.close();
  });
});

test('a client that knows is chosen before one that does not, whatever the load', async () => {
  await withWorld(async (world) => {
    const old = new TestClient(world.platform, { pinnedHello: pinnedHello() });
    const today = new TestClient(world.platform, { bootId: 'boot-two' });
    await old.connect(world.edge.ports.tunnel);
    await today.connect(world.edge.ports.tunnel);
    await wantTls(world);
    // This client dials plainly, which is enough to see whom the node asks.
    for (let i = 0; i < 8; i += 1) assert.equal(await exchange(world.call(), 'hello'), 'hello');
    assert.deepEqual([old.streams.length, today.streams.length], [0, 8]);
    assert.equal(today.streams[0]?.tls?.mode, 'tls');
    old.close();
    today.close();
  });
});

test('a test of what a client does not know is refused by name', async () => {
  await withWorld(async (world) => {
    const old = new TestClient(world.platform, { pinnedHello: pinnedHello() });
    await old.connect(world.edge.ports.tunnel);
    const target = dialTargetOf(resourceOf({ host: '127.0.0.1', port: world.echo.port, tls: resourceTls }));
    const question = { gatewayId: 'g1', clientId: old.clientId, destinationId: 'd1', target, http: null };
    await assert.rejects(
      ask(world.platform.bus, testAtClient, question, { suffix: 'edge-1' }),
      /does not know tls: update it/,
    );
    assert.deepEqual(
      old.controls.filter((body) => (body as { kind: string }).kind === 'test'),
      [],
    );
    old.close();
  });
});

test('a cloud destination that wants TLS or HTTP from its callers is not told to a client that does not know it, and is shown so', async () => {
  await withWorld(async (world) => {
    const old = new TestClient(world.platform, { pinnedHello: pinnedHello() });
    await old.connect(world.edge.ports.tunnel);
    const resource = resourceOf({ host: '127.0.0.1', port: world.echo.port });
    const { front: _front, ...route } = routeOf({ resource });
    const plain = { ...route, id: 'plain', kind: 'cloud' as const, clientPort: 15432 };
    const tls = { mode: 'server' as const, certificateId: 'cert', clientCaIds: [] };
    world.platform.setRoute({ ...plain, id: 'secret', clientPort: 15433, listener: { tls } });
    const web = { ...resource, protocol: 'http' as const };
    world.platform.setRoute({ ...plain, id: 'web', clientPort: 15434, resource: web });
    world.platform.setRoute(plain);
    const told = await until(() =>
      (old.controls as { kind: string; destinations?: { id: string }[] }[]).findLast(
        ({ kind, destinations = [] }) => kind === 'cloudDestinations' && destinations.length > 0,
      ),
    );
    assert.deepEqual(
      told.destinations?.map(({ id }) => id),
      ['plain'],
    );
    const shown = JSON.stringify(world.edge.status());
    for (const port of [15433, 15434]) {
      const listening = `"clientPort":${port},"listening":\\[{"clientId":"[^"]*","listening":false,"error":"`;
      assert.match(shown, new RegExp(`${listening}EDGE_CLIENT_OUTDATED`));
    }
    old.close();
  });
});

test('a relay changes nothing of it: the caller’s node knows from the other what its client understands', async () => {
  await withWorld(async (world) => {
    await withNode(world, { name: 'edge-2' }, async (second) => {
      await until(() => (world.edge.status() as { links: string[] }).links.length === 1);
      const old = new TestClient(world.platform, { pinnedHello: pinnedHello() });
      await old.connect(second.ports.tunnel);
      while ((await exchange(world.call(), 'plain').catch(() => '')) !== 'plain');
      await wantTls(world);
      const asked = old.streams.length;
      assert.equal(await ended(world.call()), 'ECONNRESET');
      assert.equal(await lastCode(world), 'EDGE_CLIENT_OUTDATED');
      assert.equal(old.streams.length, asked);
      const today = new TestClient(world.platform, { bootId: 'boot-two' });
      await today.connect(second.ports.tunnel);
      while ((await exchange(world.call(), 'hello').catch(() => '')) !== 'hello');
      assert.equal(today.streams[0]?.tls?.mode, 'tls');
      assert.equal(old.streams.length, asked);
      old.close();
      today.close();
    });
  });
});
