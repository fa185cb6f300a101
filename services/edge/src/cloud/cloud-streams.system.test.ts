import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetCode, type Session } from '@postern/tunnel';
import { TestClient } from '../fixture/client.ts';
import { policyOf, resourceOf, routeOf } from '../fixture/documents.ts';
import { type World, until, withWorld } from '../fixture/node.ts';

interface Told {
  kind: string;
  destinations: { id: string; clientPort: number }[];
}

/** A cloud destination `c1` whose resource is the echo of the world. */
function cloudRoute({ echo }: World, change: { enabled?: boolean } = {}) {
  const resource = resourceOf({ host: '127.0.0.1', port: echo.port });
  const { front: _front, ...route } = routeOf({ resource, ...change });
  return { ...route, id: 'c1', kind: 'cloud' as const, clientPort: 15432 };
}

/** Makes `c1` known to the node and to a client; resolves with the client's tunnel. */
async function withCloud(world: World, client: TestClient): Promise<Session> {
  world.platform.setRoute(cloudRoute(world));
  const session = await client.connect(world.edge.ports.tunnel);
  await told(client, (ids) => ids.includes('c1'));
  return session;
}

/** Waits until the last list that the client was told is as wanted. */
function told(client: TestClient, wanted: (ids: string[]) => boolean): Promise<boolean> {
  return until(() => {
    const last = (client.controls as Told[]).findLast(({ kind }) => kind === 'cloudDestinations');
    return last !== undefined && wanted(last.destinations.map(({ id }) => id));
  });
}

/** Opens a stream for a destination: what comes back, or how it was refused. */
function call(client: TestClient, session: Session, destinationId = 'c1', more: object = {}) {
  const caller = { address: '10.9.9.9', port: 4711 };
  const stream = client.endpoint.open(session, { destinationId, trackingId: 't', caller, ...more });
  return new Promise<string>((resolve) => {
    stream.events = {
      onOpened: () => stream.writeCopy(Buffer.from('hello')),
      onData: (piece) => {
        resolve(piece.toString());
        stream.reset(ResetCode.Cancelled, 'enough');
      },
      onReset: (code, text) => resolve(`${code} ${text}`),
    };
  });
}

test('a client is told its cloud destinations when its tunnel comes up, none too, and when they change', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    await told(client, (ids) => ids.length === 0);
    world.platform.setRoute(cloudRoute(world));
    await told(client, (ids) => ids.includes('c1'));
    world.platform.setRoute(cloudRoute(world, { enabled: false }));
    await told(client, (ids) => ids.length === 0);
    client.close();
  });
});

test('a stream that a client opens reaches the resource of its gateway’s cloud destination', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    assert.equal(await call(client, await withCloud(world, client)), 'hello');
    client.close();
  });
});

test('a stream is refused for a destination that is none of the gateway’s cloud ones, and says that nothing was reached', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    const session = await withCloud(world, client);
    world.platform.setRoute({ ...cloudRoute(world), id: 'theirs', gatewayId: 'g2' });
    for (const id of ['theirs', 'd1', 'none']) {
      assert.match(
        await call(client, session, id),
        new RegExp(`^${ResetCode.Denied} EDGE_DESTINATION_DELETED`),
      );
    }
    assert.match(await call(client, session, 'c1', { caller: null }), new RegExp(`^${ResetCode.Protocol} `));
    client.close();
  });
});

test('a node judges for itself: access list, source rules, and addresses that it does not dial', async () => {
  await withWorld(
    async (world) => {
      const client = new TestClient(world.platform);
      const session = await withCloud(world, client);
      assert.match(
        await call(client, session),
        /EDGE_ACCESS_DENIED.*127\.0\.0\.1 is this machine.*cloudLocal/,
      );
      const cases: [policy: Parameters<typeof policyOf>[0], answer: RegExp][] = [
        [{ accessList: [], accessListRevision: 2 }, /EDGE_ACCESS_DENIED.*no rule allows/],
        [{ sourceRules: [{ destinationId: 'c1', restricted: true, rules: [] }] }, /EDGE_SOURCE_DENIED/],
      ];
      for (const [policy, answer] of cases) {
        world.platform.setPolicy(policyOf(policy));
        for (;;) if (answer.test(await call(client, session))) break;
      }
      client.close();
    },
    { options: { cloudLocal: false } },
  );
});

test('a stream for requests is judged as for some path, and reaches no other resource than the client asked about', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    const session = await withCloud(world, client);
    const { resource, ...route } = cloudRoute(world);
    world.platform.setRoute({ ...route, resource: { ...resource, protocol: 'http' } });
    await told(client, () => JSON.stringify(client.controls.at(-1)).includes('"protocol":"http"'));
    const { host, port } = resource;
    const asked = { protocol: 'http', resource: { host, port } };
    assert.equal(await call(client, session, 'c1', asked), 'hello');
    const other = await call(client, session, 'c1', { protocol: 'http', resource: { host, port: 1 } });
    assert.match(other, /EDGE_CLIENT_FAILED.*another resource now/);
    assert.match(await call(client, session, 'c1', { protocol: 'http' }), /another resource now/);
    assert.match(await call(client, session), /the destination is http now/);
    const withPath = { action: 'allow' as const, host: '*', port: '*', path: '/orders' };
    world.platform.setPolicy(policyOf({ accessList: [withPath], accessListRevision: 2 }));
    assert.equal(await call(client, session, 'c1', asked), 'hello');
    world.platform.setPolicy(policyOf({ accessList: [], accessListRevision: 3 }));
    while (!(await call(client, session, 'c1', asked)).includes('EDGE_ACCESS_DENIED'));
    client.close();
  });
});

for (const [rule, connectionsMax, whose] of [
  ['no more streams to cloud resources run at once than the bound says', 1, 'node'],
  ['one gateway has no more than half of the streams to cloud resources', 2, 'gateway'],
] as const) {
  test(rule, async () => {
    await withWorld(
      async (world) => {
        const client = new TestClient(world.platform);
        const session = await withCloud(world, client);
        const caller = { address: '10.9.9.9', port: 4711 };
        const held = client.endpoint.open(session, { destinationId: 'c1', trackingId: 't', caller });
        await new Promise<void>((resolve) => {
          held.events = { onOpened: resolve };
        });
        const text = `the ${whose} has as many streams to cloud resources as it may`;
        assert.equal(await call(client, session), `${ResetCode.Limit} EDGE_CONNECTIONS_FULL: ${text}`);
        held.reset(ResetCode.Cancelled, 'enough');
        while ((await call(client, session)) !== 'hello');
        client.close();
      },
      { options: { connectionsMax } },
    );
  });
}

for (const [rule, openingMax, whose] of [
  ['no more resources are dialled at once than the bound says', 1, 'resources'],
  ['one gateway has no more than half of them dialled at once', 2, 'resources of the gateway'],
] as const) {
  test(rule, async () => {
    await withWorld(
      async (world) => {
        const client = new TestClient(world.platform);
        const session = await withCloud(world, client);
        const answers = await Promise.all([call(client, session), call(client, session)]);
        assert.deepEqual(
          new Set(answers),
          new Set([
            'hello',
            `${ResetCode.Limit} EDGE_OPENING_FULL: too many ${whose} are being dialled already`,
          ]),
        );
        client.close();
      },
      { options: { openingMax } },
    );
  });
}
