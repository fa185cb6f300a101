import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MemoryHub, type Bus } from '@postern/bus';
import {
  answer,
  ask,
  checkCertificates,
  createDestination,
  createGateway,
  deleteDestination,
  deleteGateway,
  gatewayFeed,
  getDestination,
  getGateway,
  listClients,
  listDestinations,
  listFronts,
  listGateways,
  listNodes,
  listTunnels,
  listen,
  nodeSnapshot,
  releaseCertificate,
  routeFeed,
  routerChanged,
  testDestination,
  updateDestination,
  updateGateway,
  type Change,
  type DestinationInput,
  type ServiceError,
  type TunnelPresence,
  destinationDefaults,
} from '@postern/contracts';
import { PresenceAnnouncer } from '@postern/replica';
import { type Store, StoreError, openSqlite } from '@postern/store';
import { silentLogger } from '@postern/telemetry';
import { openDocuments } from './document.ts';
import { emptyList } from './fixture/revocation-list.ts';
import { createRouter, type RouterOptions } from './index.ts';

const defaults: RouterOptions = {
  platformHost: 'p.example',
  frontHost: '',
  frontPortFirst: 15000,
  frontPortLast: 15009,
  reservedPorts: [443],
  sharedPort: 443,
  sharedHttpPort: 80,
  portRestDays: 30,
  gatewaysMax: 5,
  destinationsPerGatewayMax: 12,
};
const input: DestinationInput = { name: 'Orders DB', resource: { host: '10.0.0.5', port: 5432 } };

async function setUp(t: TestContext, options: Partial<RouterOptions> = {}) {
  const store = openSqlite(':memory:');
  const hub = new MemoryHub();
  const bus: Bus = hub.connect();
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const router = createRouter({
    bus: hub.connect(),
    store,
    config: { ...defaults, ...options },
    logger: silentLogger,
    now: () => clock.now,
  });
  await router.start();
  t.after(async () => {
    await router.stop();
    await store.close();
  });
  const gateway = await ask(bus, createGateway, { name: 'plant' });
  return { bus, clock, gateway, store, hub };
}

test('a test that nobody can make says whether the gateway is disabled', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const { id } = await ask(bus, createDestination, { gatewayId, input });
  const test = () => ask(bus, testDestination, { gatewayId, id });
  await assert.rejects(test(), { code: 'ROUTER_NO_CLIENT', message: /is connected$/ });
  await ask(bus, updateGateway, { id: gatewayId, patch: { enabled: false } });
  await assert.rejects(test(), { code: 'ROUTER_NO_CLIENT', message: /: the gateway is disabled$/ });
});

/** Resolves when nodes that have started have answered the router, which believes them then. */
async function untilAnswered(bus: Bus, names: readonly string[]): Promise<void> {
  await bus.flush(1_000);
  // What the router has asked is answered before this.
  for (const suffix of names) await ask(bus, nodeSnapshot, {}, { suffix });
}

function startNode(t: TestContext, bus: Bus, name: string): PresenceAnnouncer {
  const address = { node: name, zone: '', host: '127.0.0.1', port: 9000, serverName: name };
  const node = new PresenceAnnouncer({
    bus,
    node: name,
    bootId: `boot-of-${name}`,
    startedAt: new Date().toISOString(),
    version: '0.1.0',
    describe: () => ({ address, ready: true, draining: false }),
    onError: assert.ifError,
  });
  node.start();
  t.after(() => node.stop());
  return node;
}

function tunnel(gatewayId: string, node: string): TunnelPresence {
  return {
    tunnelId: `tunnel-of-${node}`,
    gatewayId,
    clientId: 'c',
    bootId: 'boot-of-c',
    tokenId: null,
    transport: 'direct',
    address: '192.0.2.1',
    connectedAt: `2026-01-01T00:00:0${node.slice(-1)}.000Z`,
    facts: { name: 'host', version: '0.1.0', platform: 'linux' },
    ownRules: null,
  };
}

test('a gateway is made with an ID of its own, enabled, asking for tokens', async (t) => {
  const { gateway } = await setUp(t);
  assert.match(gateway.id, /^[a-z0-9]{11}$/);
  const { enabled, requireToken, connected, clients, revision } = gateway;
  assert.deepEqual(
    { enabled, requireToken, connected, clients, revision },
    { enabled: true, requireToken: true, connected: false, clients: 0, revision: 1 },
  );
});

test('a gateway is changed by a merge patch, and a stale revision is refused', async (t) => {
  const { bus, gateway, clock } = await setUp(t);
  const { id } = gateway;
  clock.now += 1000;
  const changed = await ask(bus, updateGateway, { id, patch: { description: 'east' }, revision: 1 });
  assert.deepEqual([changed.name, changed.description, changed.revision], ['plant', 'east', 2]);
  assert.notEqual(changed.modifiedAt, changed.createdAt);
  const stale = ask(bus, updateGateway, { id, patch: { name: 'x' }, revision: 1 });
  await assert.rejects(stale, { code: 'ROUTER_REVISION_STALE' });
  await assert.rejects(ask(bus, deleteGateway, { id, revision: 1 }), { code: 'ROUTER_REVISION_STALE' });
  assert.deepEqual(await ask(bus, getGateway, { id }), changed);
});

test('gateways are listed page by page, all or those named', async (t) => {
  const { bus, gateway } = await setUp(t);
  const ids = [gateway.id];
  for (const name of ['b', 'c', 'd']) ids.push((await ask(bus, createGateway, { name })).id);
  const read = async (named?: string[]) => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: { id: string }[]; nextCursor: string | null } = await ask(bus, listGateways, {
        limit: 2,
        cursor,
        ...(named === undefined ? {} : { ids: named }),
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return seen;
  };
  assert.deepEqual(await read(), ids.toSorted());
  assert.deepEqual(await read([...ids.slice(1), 'nothing']), ids.slice(1).toSorted());
});

test('a destination of a disabled gateway says so wherever it is shown, and one of an enabled gateway does not', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const { id, warnings } = await ask(bus, createDestination, { gatewayId, input });
  assert.deepEqual(warnings, []);
  await ask(bus, updateGateway, { id: gatewayId, patch: { enabled: false } });
  const shown = [
    await ask(bus, getDestination, { gatewayId, id }),
    await ask(bus, updateDestination, { gatewayId, id, patch: { name: 'other' } }),
    await ask(bus, createDestination, { gatewayId, input }),
    ...(await ask(bus, listDestinations, { gatewayId })).items,
  ];
  assert.deepEqual(
    shown.map((one) => one.warnings.map(({ path, code }) => [path, code])),
    Array.from({ length: 5 }, () => [['/gatewayId', 'ROUTER_GATEWAY_DISABLED']]),
  );
});

test('there are at most as many gateways and destinations as the settings say', async (t) => {
  const { bus, gateway } = await setUp(t, { gatewaysMax: 1, destinationsPerGatewayMax: 1 });
  await assert.rejects(ask(bus, createGateway, { name: 'more' }), { code: 'ROUTER_LIMIT' });
  await ask(bus, createDestination, { gatewayId: gateway.id, input });
  const more = ask(bus, createDestination, { gatewayId: gateway.id, input });
  await assert.rejects(more, { code: 'ROUTER_LIMIT' });
});

test('a destination gets a front of its name, its gateway and a free port', async (t) => {
  const { bus, gateway } = await setUp(t);
  const made = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  assert.deepEqual(made.front, {
    ...destinationDefaults.front,
    host: `orders-db-${gateway.id}.p.example`,
    port: 15000,
    url: `tcp://orders-db-${gateway.id}.p.example:15000`,
  });
  assert.deepEqual(await ask(bus, getDestination, { gatewayId: gateway.id, id: made.id }), made);
  assert.deepEqual((await ask(bus, listDestinations, { gatewayId: gateway.id })).items, [made]);
});

test('a TLS front shares the platform’s port by its name, and nodes are told so', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const make = (name: string, front: NonNullable<DestinationInput['front']>) =>
    ask(bus, createDestination, { gatewayId, input: { ...input, name, front } });
  const named = await make('named', { tls: { mode: 'server' } });
  assert.deepEqual(
    [named.front?.host, named.front?.port, named.front?.url],
    [`named-${gatewayId}.p.example`, 443, `tls://named-${gatewayId}.p.example:443`],
  );
  const own = await make('own', { host: '*.corp.example', tls: { mode: 'passthrough' } });
  assert.deepEqual([own.front?.host, own.front?.port], ['*.corp.example', 443]);
  const address = await make('address', { host: '192.0.2.1', tls: { mode: 'passthrough' } });
  assert.equal(address.front?.port, 15000);
  await assert.rejects(make('taken', { host: '*.Corp.example', tls: { mode: 'passthrough' } }), {
    code: 'ROUTER_FRONT_TAKEN',
    message: /\*\.corp\.example:443/,
  });
  await assert.rejects(make('foreign', { host: 'a.example', tls: { mode: 'server' } }), {
    code: 'ROUTER_INVALID',
    message: /certificateId must be given/,
  });
  const moved = await ask(bus, updateDestination, {
    gatewayId,
    id: own.id,
    patch: { front: { host: 'db.corp.example' } },
  });
  assert.equal(moved.front?.host, 'db.corp.example');
  await assert.rejects(
    ask(bus, updateDestination, { gatewayId, id: own.id, patch: { front: { tls: { mode: 'none' } } } }),
    { code: 'ROUTER_FRONT_RESERVED' },
  );
  const plain = await make('plain', {});
  const routes = (await ask(bus, routeFeed.since, { epoch: '', revision: 0 })).items as {
    id: string;
    shared: boolean;
  }[];
  const shared = new Map(routes.map((route) => [route.id, route.shared]));
  assert.deepEqual(
    [named, own, address, plain].map(({ id }) => shared.get(id)),
    [true, true, false, false],
  );
});

test('an HTTP front that asks for the shared port has a name there, and another port otherwise', async (t) => {
  const { bus, gateway } = await setUp(t, { frontHost: '127.0.0.1' });
  const gatewayId = gateway.id;
  const make = (name: string, front: object) =>
    ask(bus, createDestination, {
      gatewayId,
      input: { ...input, name, front: { protocol: 'http', ...front } },
    });
  const named = await make('web', { port: 80 });
  assert.equal(named.front?.url, `http://web-${gatewayId}.p.example:80`);
  const wild = await make('wild', { port: 80, host: '*.corp.example' });
  const own = await make('own', {});
  assert.equal(own.front?.url, 'http://127.0.0.1:15000');
  await assert.rejects(make('address', { port: 80, host: '192.0.2.1' }), {
    code: 'ROUTER_INVALID',
    message: /\/front\/host must be a name/,
  });
  await assert.rejects(make('lonely', { host: '*.other.example' }), {
    code: 'ROUTER_INVALID',
    message: /\/front\/host may be a wildcard only/,
  });
  await assert.rejects(make('taken', { port: 80, host: '*.Corp.example' }), { code: 'ROUTER_FRONT_TAKEN' });
  const move = (patch: object) =>
    ask(bus, updateDestination, { gatewayId, id: own.id, patch: { front: patch } });
  await assert.rejects(move({ port: 80 }), { code: 'ROUTER_INVALID', message: /must be a name/ });
  assert.equal((await move({ port: 80, host: 'own.example' })).front?.url, 'http://own.example:80');
  const routes = (await ask(bus, routeFeed.since, { epoch: '', revision: 0 })).items as {
    id: string;
    shared: boolean;
  }[];
  const shared = new Map(routes.map((route) => [route.id, route.shared]));
  assert.deepEqual(
    [named, wild, own].map(({ id }) => shared.get(id)),
    [true, true, true],
  );
});

test('a cloud destination takes no front, and its clientPort is its own among those of its gateway', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const cloud = { ...input, kind: 'cloud' as const, clientPort: 15432 };
  const made = await ask(bus, createDestination, { gatewayId, input: cloud });
  assert.deepEqual([made.kind, made.clientPort, made.front], ['cloud', 15432, undefined]);
  const other = { ...cloud, name: 'other' };
  await assert.rejects(ask(bus, createDestination, { gatewayId, input: other }), {
    code: 'ROUTER_CLIENT_PORT_TAKEN',
    message: /15432 \(tcp\) belongs to the destination Orders DB/i,
  });
  const udp = { ...other, resource: { ...input.resource, protocol: 'udp' as const } };
  const apart = await ask(bus, createDestination, { gatewayId, input: udp });
  assert.equal(apart.clientPort, 15432);
  await assert.rejects(
    ask(bus, updateDestination, { gatewayId, id: apart.id, patch: { resource: { protocol: 'tcp' } } }),
    { code: 'ROUTER_CLIENT_PORT_TAKEN' },
  );
  const another = await ask(bus, createGateway, { name: 'another' });
  await ask(bus, createDestination, { gatewayId: another.id, input: cloud });
  assert.deepEqual((await ask(bus, listFronts, {})).items, []);
  await ask(bus, deleteDestination, { gatewayId, id: made.id });
  await ask(bus, createDestination, { gatewayId, input: other });
});

test('a gateway has at most 64 cloud destinations', async (t) => {
  const { bus, gateway } = await setUp(t, { destinationsPerGatewayMax: 100 });
  for (let port = 1; port <= 65; port += 1) {
    const cloud = { ...input, kind: 'cloud' as const, clientPort: port };
    const made = ask(bus, createDestination, { gatewayId: gateway.id, input: cloud });
    if (port <= 64) await made;
    else await assert.rejects(made, { code: 'ROUTER_LIMIT', message: /64 cloud destinations/ });
  }
});

test('where a front host is set, fronts that are given none have it', async (t) => {
  const { bus, gateway } = await setUp(t, { frontHost: '127.0.0.1' });
  const made = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  assert.equal(made.front?.url, 'tcp://127.0.0.1:15000');
});

test('a front keeps its host and port through every edit, renamed and disabled', async (t) => {
  const { bus, gateway } = await setUp(t);
  const made = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  const patch = { name: 'other', enabled: false, resource: { port: 5433 } };
  const changed = await ask(bus, updateDestination, {
    gatewayId: gateway.id,
    id: made.id,
    patch,
    revision: 1,
  });
  assert.deepEqual(changed.front, made.front);
  assert.deepEqual(
    [changed.name, changed.enabled, changed.resource.port, changed.revision],
    ['other', false, 5433, 2],
  );
});

test('a front moves only where another port is asked for, and the old port rests', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const { id } = await ask(bus, createDestination, { gatewayId, input });
  const moved = await ask(bus, updateDestination, { gatewayId, id, patch: { front: { port: 20000 } } });
  assert.equal(moved.front?.port, 20000);
  const next = await ask(bus, createDestination, { gatewayId, input });
  assert.equal(next.front?.port, 15001);
});

test('a front that cannot keep its port as it is to be is allotted another where null is asked for', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const udp = { ...input, front: { protocol: 'udp' as const } };
  const { id, front } = await ask(bus, createDestination, { gatewayId, input: udp });
  const other = await ask(bus, createDestination, { gatewayId, input });
  assert.deepEqual([front?.port, other.front?.port], [15000, 15000]);
  const tcp = { resource: { protocol: 'tcp' } };
  const update = (place: object) =>
    ask(bus, updateDestination, { gatewayId, id, patch: { ...tcp, front: { protocol: 'tcp', ...place } } });
  await assert.rejects(update({}), { code: 'ROUTER_FRONT_TAKEN' });
  assert.equal((await update({ port: null })).front?.port, 15001);
  assert.equal((await update({ port: null })).front?.port, 15001);
});

test('a front that is told apart otherwise keeps its port where it is free and null is asked for', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const { id, front } = await ask(bus, createDestination, { gatewayId, input });
  assert.equal(front?.port, 15000);
  const patch = { resource: { protocol: 'udp' }, front: { protocol: 'udp', port: null } };
  const moved = await ask(bus, updateDestination, { gatewayId, id, patch });
  assert.equal(moved.front?.port, 15000);
  const other = { ...input, front: { protocol: 'udp' as const } };
  assert.equal((await ask(bus, createDestination, { gatewayId, input: other })).front?.port, 15001);
});

test('a name that another has is refused also where any port would do, and nothing is moved', async (t) => {
  const { bus, gateway } = await setUp(t);
  const other = await ask(bus, createGateway, { name: 'other' });
  const named = (host: string) => ({
    ...input,
    resource: { ...input.resource, protocol: 'http' as const },
    front: { protocol: 'http' as const, host, port: 80 },
  });
  await ask(bus, createDestination, { gatewayId: gateway.id, input: named('*.t.example') });
  const one = { gatewayId: other.id, id: '' };
  const made = await ask(bus, createDestination, { ...one, input: named('b.other.example') });
  const patch = { front: { host: '*.t.example', port: null } };
  await assert.rejects(ask(bus, updateDestination, { ...one, id: made.id, patch }), {
    code: 'ROUTER_FRONT_TAKEN',
  });
  const disabled = await ask(bus, updateDestination, { ...one, id: made.id, patch: { enabled: false } });
  assert.deepEqual(disabled.front, made.front);
});

test('a host that a front has beside a port of its own is no name on the shared port, where it is the platform’s', async (t) => {
  const { bus, gateway } = await setUp(t, { frontHost: 'p.example' });
  const gatewayId = gateway.id;
  const { id, front } = await ask(bus, createDestination, { gatewayId, input });
  assert.equal(front?.host, 'p.example');
  const patch = { front: { tls: { mode: 'passthrough' }, port: 443 } };
  await assert.rejects(ask(bus, updateDestination, { gatewayId, id, patch }), {
    code: 'ROUTER_FRONT_RESERVED',
  });
});

const ended = { mode: 'server' as const };

test('a name below the platform’s host is one gateway’s wherever its certificate is the platform’s, also beside a port of its own', async (t) => {
  const { bus, gateway } = await setUp(t);
  const other = await ask(bus, createGateway, { name: 'other' });
  const make = ({ id }: { id: string }, front: NonNullable<DestinationInput['front']>) =>
    ask(bus, createDestination, { gatewayId: id, input: { ...input, front } });
  const taken = (host: string) => ({ code: 'ROUTER_FRONT_TAKEN', message: new RegExp(`${host}.p.example`) });
  await make(gateway, { host: 'Shop.p.example', tls: ended });
  await make(gateway, { host: 'shop.p.example', port: 5000, tls: ended });
  await assert.rejects(make(other, { host: 'SHOP.P.example', port: 5001, tls: ended }), taken('shop'));
  const unnamed = await make(other, { host: 'shop.p.example', port: 5001 });
  const patch = { front: { tls: ended } };
  const one = { gatewayId: other.id, id: unnamed.id };
  await assert.rejects(ask(bus, updateDestination, { ...one, patch }), taken('shop'));
  // The other way round, on two ports of their own, and by plain HTTP.
  const first = await make(gateway, { host: 'wiki.p.example', port: 5002, tls: ended });
  for (const front of [
    { tls: ended },
    { tls: { mode: 'passthrough' as const } },
    { port: 5003, tls: ended },
    { port: 80, protocol: 'http' as const },
  ]) {
    await assert.rejects(make(other, { ...front, host: 'wiki.p.example' }), taken('wiki'));
  }
  const passed = await make(other, { host: 'pass.p.example', tls: { mode: 'passthrough' } });
  assert.equal(passed.front?.port, 443);
  const second = { gatewayId: gateway.id, id: first.id };
  const renamed = { front: { host: 'pass.p.example' } };
  await assert.rejects(ask(bus, updateDestination, { ...second, patch: renamed }), taken('pass'));
  await ask(bus, deleteDestination, { gatewayId: other.id, id: passed.id });
  const resting = make(gateway, { host: 'pass.p.example', port: 5004, tls: ended });
  await assert.rejects(resting, { code: 'ROUTER_FRONT_RESTING' });
  await ask(bus, deleteDestination, second);
  await make(other, { host: 'wiki.p.example', port: 5003, tls: ended });
});

test('a host of the platform, or in the form of another gateway’s, is no front’s, made or moved, on whatever port', async (t) => {
  const { bus, gateway } = await setUp(t);
  const { id: gatewayId } = gateway;
  const made = await ask(bus, createDestination, { gatewayId, input });
  const refused = {
    'p.example': 'ROUTER_FRONT_RESERVED',
    'edge-1.tunnel.p.example': 'ROUTER_FRONT_RESERVED',
    'orders-aaaaaaaaaaa.p.example': 'ROUTER_FRONT_TAKEN',
  };
  for (const [host, code] of Object.entries(refused)) {
    for (const front of [{ host }, { host, tls: { mode: 'passthrough' as const } }])
      await assert.rejects(ask(bus, createDestination, { gatewayId, input: { ...input, front } }), { code });
    const patch = { front: { host } };
    await assert.rejects(ask(bus, updateDestination, { gatewayId, id: made.id, patch }), { code });
  }
  assert.deepEqual((await ask(bus, listDestinations, { gatewayId })).items, [made]);
});

test('two gateways that have one name below the platform’s host from before keep it until its front is another', async (t) => {
  const { bus, gateway, store } = await setUp(t);
  const other = await ask(bus, createGateway, { name: 'other' });
  const host = 'shop.p.example';
  await ask(bus, createDestination, {
    gatewayId: gateway.id,
    input: { ...input, front: { host, tls: ended } },
  });
  const made = await ask(bus, createDestination, {
    gatewayId: other.id,
    input: { ...input, front: { host: 'else.p.example', port: 5001, tls: ended } },
  });
  const { destinations } = await openDocuments(store);
  const stored = await destinations.get(made.id);
  assert.ok(stored?.front !== undefined);
  await destinations.replace({ ...stored, front: { ...stored.front, host: 'Shop.p.example' } });
  const update = (patch: Record<string, unknown>) =>
    ask(bus, updateDestination, { gatewayId: other.id, id: made.id, patch });
  const edited = await update({ name: 'edited', front: { proxyProtocol: 'v2' } });
  assert.deepEqual([edited.front?.host, edited.front?.port], [host, 5001]);
  await assert.rejects(update({ front: { port: 5002 } }), { code: 'ROUTER_FRONT_TAKEN' });
});

test('of two gateways that want one name below the platform’s host at the same moment, at two replicas, one has it', async (t) => {
  const { bus, gateway, store, hub } = await setUp(t);
  const replica = createRouter({ bus: hub.connect(), store, config: defaults, logger: silentLogger });
  await replica.start();
  t.after(() => replica.stop());
  const other = await ask(bus, createGateway, { name: 'other' });
  const front = { host: 'shop.p.example', tls: ended };
  const both = await Promise.allSettled([
    ask(bus, createDestination, { gatewayId: gateway.id, input: { ...input, front } }),
    ask(bus, createDestination, {
      gatewayId: other.id,
      input: { ...input, front: { ...front, port: 5000 } },
    }),
  ]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('a port that another destination has is refused, and then nothing was made', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const wanted = { ...input, front: { port: 15007 } };
  await ask(bus, createDestination, { gatewayId, input: wanted });
  await assert.rejects(ask(bus, createDestination, { gatewayId, input: wanted }), {
    code: 'ROUTER_FRONT_TAKEN',
    message: /15007/,
  });
  assert.equal((await ask(bus, listDestinations, { gatewayId })).items.length, 1);
});

test('destinations too long for one message of the bus together are listed in shorter pages', async (t) => {
  const { bus, gateway, hub } = await setUp(t);
  const checking = answer(hub.connect(), checkCertificates, () => ({ faults: [], warnings: [] }));
  t.after(() => checking.close());
  const gatewayId = gateway.id;
  const revocationLists = Array.from({ length: 4 }, () => emptyList.padEnd(32_768));
  const made: string[] = [];
  for (let n = 0; n < 9; n += 1) {
    const tls = { mode: 'mutual' as const, clientCaIds: ['ca'], revocationLists };
    const order = { ...input, name: `d${n}`, front: { tls } };
    made.push((await ask(bus, createDestination, { gatewayId, input: order })).id);
  }
  const seen: string[] = [];
  for (let cursor: string | null = null; ;) {
    const page: { items: { id: string }[]; nextCursor: string | null } = await ask(bus, listDestinations, {
      gatewayId,
      cursor,
    });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    if (cursor === null) break;
  }
  assert.deepEqual(seen, made);
});

test('a change of a gateway raises the routes’ counter also without destinations, so that one made at that moment reads it again', async (t) => {
  const { bus, gateway } = await setUp(t);
  const { id } = gateway;
  const changes = [
    () => ask(bus, createGateway, { name: 'other' }),
    () => ask(bus, updateGateway, { id, patch: { enabled: false } }),
    () => ask(bus, deleteGateway, { id }),
  ];
  for (const change of changes) {
    const before = await ask(bus, routeFeed.since, { epoch: '', revision: 0 });
    await change();
    const after = await ask(bus, routeFeed.since, { epoch: before.epoch, revision: before.revision });
    assert.deepEqual([after.revision, after.items, after.deleted], [before.revision + 1, [], []]);
  }
});

test('destinations made at the same moment get different ports', async (t) => {
  const { bus, gateway } = await setUp(t);
  const made = await Promise.all(
    Array.from({ length: 10 }, () => ask(bus, createDestination, { gatewayId: gateway.id, input })),
  );
  assert.equal(new Set(made.map(({ front }) => front?.port)).size, 10);
});

test('a destination does not exist behind another gateway', async (t) => {
  const { bus, gateway } = await setUp(t);
  const other = await ask(bus, createGateway, { name: 'other' });
  const { id } = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  const one = { gatewayId: other.id, id };
  await assert.rejects(ask(bus, getDestination, one), { code: 'ROUTER_DESTINATION_NOT_FOUND' });
  await assert.rejects(ask(bus, updateDestination, { ...one, patch: {} }), {
    code: 'ROUTER_DESTINATION_NOT_FOUND',
  });
  await assert.rejects(ask(bus, deleteDestination, one), { code: 'ROUTER_DESTINATION_NOT_FOUND' });
});

test('destinations are made and listed behind a gateway that there is, and behind no other', async (t) => {
  const { bus } = await setUp(t);
  const none = { code: 'ROUTER_GATEWAY_NOT_FOUND' };
  await assert.rejects(ask(bus, createDestination, { gatewayId: 'none', input }), none);
  await assert.rejects(ask(bus, listDestinations, { gatewayId: 'none' }), none);
  assert.deepEqual((await ask(bus, listFronts, {})).items, []);
});

test('a destination is changed and deleted as of the revision that was read, and not when another changed it since', async (t) => {
  const { bus, gateway } = await setUp(t);
  const { id } = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  const one = { gatewayId: gateway.id, id };
  const changed = await ask(bus, updateDestination, { ...one, patch: { name: 'theirs' }, revision: 1 });
  const stale = { code: 'ROUTER_REVISION_STALE' };
  await assert.rejects(ask(bus, updateDestination, { ...one, patch: { name: 'mine' }, revision: 1 }), stale);
  await assert.rejects(ask(bus, deleteDestination, { ...one, revision: 1 }), stale);
  assert.deepEqual(await ask(bus, getDestination, one), changed);
  await ask(bus, deleteDestination, { ...one, revision: 2 });
});

test('fronts are listed, of all gateways or of those named', async (t) => {
  const { bus, gateway } = await setUp(t);
  const other = await ask(bus, createGateway, { name: 'other' });
  for (const gatewayId of [gateway.id, other.id]) await ask(bus, createDestination, { gatewayId, input });
  await ask(bus, updateGateway, { id: other.id, patch: { enabled: false } });
  const all = await ask(bus, listFronts, { live: true });
  assert.deepEqual(
    all.items.map(({ gatewayId, port, enabled }) => [gatewayId, port, enabled]),
    [
      [gateway.id, 15000, true],
      [other.id, 15001, false],
    ],
  );
  const some = await ask(bus, listFronts, { gatewayIds: [other.id] });
  assert.deepEqual(
    some.items.map(({ port }) => port),
    [15001],
  );
});

test('those who follow see each change: made, changed, deleted, switched off with its gateway, deleted with it', async (t) => {
  const { bus, gateway } = await setUp(t);
  const gatewayId = gateway.id;
  const start = await ask(bus, routeFeed.since, { epoch: '', revision: 0 });
  const { id } = await ask(bus, createDestination, { gatewayId, input });
  const since = { epoch: start.epoch, revision: start.revision };
  const made = await ask(bus, routeFeed.since, since);
  assert.deepEqual(
    made.items.map((route) => [route.id, route.gatewayName, route.gatewayEnabled, route.resource.host]),
    [[id, 'plant', true, '10.0.0.5']],
  );
  const patch = { enabled: false, resource: { host: '10.0.0.6' } };
  await ask(bus, updateDestination, { gatewayId, id, patch });
  const changed = await ask(bus, routeFeed.since, { ...since, revision: made.revision });
  assert.deepEqual(
    changed.items.map((route) => [route.id, route.enabled, route.resource.host]),
    [[id, false, '10.0.0.6']],
  );
  const other = await ask(bus, createDestination, { gatewayId, input });
  await ask(bus, deleteDestination, { gatewayId, id: other.id });
  const less = await ask(bus, routeFeed.since, { ...since, revision: changed.revision + 1 });
  assert.deepEqual([less.items, less.deleted], [[], [other.id]]);
  await ask(bus, updateGateway, { id: gatewayId, patch: { enabled: false } });
  const off = await ask(bus, routeFeed.since, { ...since, revision: less.revision });
  assert.deepEqual(
    off.items.map((route) => [route.id, route.gatewayEnabled]),
    [[id, false]],
  );
  await ask(bus, deleteGateway, { id: gatewayId });
  const gone = await ask(bus, routeFeed.since, { ...since, revision: off.revision });
  assert.ok(gone.deleted.includes(id));
  const gateways = await ask(bus, gatewayFeed.since, { epoch: '', revision: 0 });
  assert.deepEqual(gateways.items, []);
});

test('a gateway whose destinations come and go leaves ports to the others', async (t) => {
  const { bus, gateway } = await setUp(t);
  for (let n = 0; n < 12; n += 1) {
    const { id } = await ask(bus, createDestination, { gatewayId: gateway.id, input });
    await ask(bus, deleteDestination, { gatewayId: gateway.id, id });
  }
  const { id: gatewayId } = await ask(bus, createGateway, { name: 'other' });
  const { front } = await ask(bus, createDestination, { gatewayId, input });
  assert.ok(front !== undefined && front.port <= defaults.frontPortLast);
});

test('of what is not found it is told whether it was deleted, for as long as another owner may hold something of it', async (t) => {
  const { bus, gateway, clock, store, hub } = await setUp(t);
  const gatewayId = gateway.id;
  const [first, second] = [
    await ask(bus, createDestination, { gatewayId, input }),
    await ask(bus, createDestination, { gatewayId, input: { ...input, name: 'second' } }),
  ];
  const isDeleted = (asking: Promise<unknown>): Promise<unknown> =>
    asking.then(
      () => 'found',
      (error: ServiceError) => error.body.deleted,
    );
  const destination = (id: string) => isDeleted(ask(bus, getDestination, { gatewayId, id }));
  await ask(bus, deleteDestination, { gatewayId, id: first.id });
  assert.deepEqual(
    [await destination(first.id), await destination(second.id), await destination('never')],
    [true, 'found', false],
  );
  await ask(bus, deleteGateway, { id: gatewayId });
  const gatewayOf = (id: string) => isDeleted(ask(bus, getGateway, { id }));
  assert.deepEqual(
    [await destination(second.id), await gatewayOf(gatewayId), await gatewayOf('never')],
    [true, true, false],
  );
  clock.now += 399 * 86_400_000;
  const deleted = await store.collection('deleted');
  const again = () =>
    createRouter({ bus: hub.connect(), store, config: defaults, logger: silentLogger, now: () => clock.now });
  const [early, late] = [again(), again()];
  t.after(() => Promise.all([early.stop(), late.stop()]));
  await early.start();
  assert.equal(await deleted.count(), 2);
  clock.now += 2 * 86_400_000;
  await late.start();
  while ((await deleted.count()) > 0) await new Promise(setImmediate);
  assert.equal(await gatewayOf(gatewayId), false);
});

test('a deleted gateway takes its destinations along, and their ports rest', async (t) => {
  const { bus, gateway } = await setUp(t);
  const made = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  await ask(bus, deleteGateway, { id: gateway.id });
  await assert.rejects(ask(bus, getGateway, { id: gateway.id }), { code: 'ROUTER_GATEWAY_NOT_FOUND' });
  const one = { gatewayId: gateway.id, id: made.id };
  await assert.rejects(ask(bus, getDestination, one), { code: 'ROUTER_DESTINATION_NOT_FOUND' });
  const other = await ask(bus, createGateway, { name: 'other' });
  const resting = ask(bus, createDestination, {
    gatewayId: other.id,
    input: { ...input, front: { port: 15000 } },
  });
  await assert.rejects(resting, { code: 'ROUTER_FRONT_RESTING' });
});

test('names on shared ports rest too when their gateway is deleted, and are free after that', async (t) => {
  const { bus, gateway, clock } = await setUp(t);
  const named: DestinationInput = {
    ...input,
    front: { host: 'db.example', tls: { mode: 'passthrough' } },
  };
  await ask(bus, createDestination, { gatewayId: gateway.id, input: named });
  await ask(bus, deleteGateway, { id: gateway.id });
  const { id: gatewayId } = await ask(bus, createGateway, { name: 'other' });
  const resting = ask(bus, createDestination, { gatewayId, input: named });
  await assert.rejects(resting, { code: 'ROUTER_FRONT_RESTING' });
  clock.now += 31 * 86_400_000;
  const { front } = await ask(bus, createDestination, { gatewayId, input: named });
  assert.deepEqual([front?.host, front?.port], ['db.example', 443]);
});

test('clients of a gateway that there is not are not an empty list', async (t) => {
  const { bus, gateway } = await setUp(t);
  assert.deepEqual((await ask(bus, listClients, { gatewayId: gateway.id })).items, []);
  await assert.rejects(ask(bus, listClients, { gatewayId: 'none' }), { code: 'ROUTER_GATEWAY_NOT_FOUND' });
});

test('nodes are listed in the order of their names', async (t) => {
  const { bus } = await setUp(t);
  for (const name of ['edge-3', 'edge-1', 'edge-2']) startNode(t, bus, name);
  await untilAnswered(bus, ['edge-3', 'edge-1', 'edge-2']);
  const { items } = await ask(bus, listNodes, {});
  assert.deepEqual(
    items.map(({ name }) => name),
    ['edge-1', 'edge-2', 'edge-3'],
  );
});

test('who listens is told what was made, changed and deleted', async (t) => {
  const { bus, gateway } = await setUp(t);
  const heard: Change[] = [];
  listen(bus, routerChanged, (change) => heard.push(change), assert.ifError);
  const { id } = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  await ask(bus, updateDestination, { gatewayId: gateway.id, id, patch: { enabled: false } });
  await ask(bus, deleteDestination, { gatewayId: gateway.id, id });
  await bus.flush(1_000);
  assert.deepEqual(
    heard.map((change) => [change.kind, change.action, change.id]),
    [
      ['destination', 'created', id],
      ['destination', 'updated', id],
      ['destination', 'deleted', id],
    ],
  );
});

test('clients are shown from presence, with live figures of the nodes that answer', async (t) => {
  const { bus, gateway } = await setUp(t);
  for (const name of ['edge-1', 'edge-2']) startNode(t, bus, name).up(tunnel(gateway.id, name));
  const listeners = [{ destinationId: 'd', listening: false, error: 'the port is taken' }];
  answer(
    bus,
    listTunnels,
    () => ({
      node: 'edge-1',
      tunnels: [{ tunnelId: 'tunnel-of-edge-1', clientId: 'c', roundTripMs: 1.5, streams: 3, listeners }],
      fronts: [],
    }),
    { suffix: 'edge-1' },
  );
  await untilAnswered(bus, ['edge-1', 'edge-2']);
  const { items } = await ask(bus, listClients, { gatewayId: gateway.id });
  const [client] = items;
  assert.deepEqual(client?.listeners, listeners);
  assert.deepEqual(
    items.map(({ id, name, ownAccessList }) => [id, name, ownAccessList]),
    [['c', 'host', false]],
  );
  assert.deepEqual(
    client?.tunnels.map(({ id, node, roundTripMs, streams }) => [id, node, roundTripMs, streams]),
    [
      ['tunnel-of-edge-1', 'edge-1', 1.5, 3],
      ['tunnel-of-edge-2', 'edge-2', null, null],
    ],
  );
  assert.deepEqual((await ask(bus, listClients, { gatewayId: gateway.id, clientId: 'd' })).items, []);
  const shown = await ask(bus, getGateway, { id: gateway.id });
  assert.deepEqual([shown.connected, shown.clients], [true, 1]);
  const nodes = await ask(bus, listNodes, {});
  assert.deepEqual(
    nodes.items.map(({ name, heard, tunnels }) => [name, heard, tunnels]),
    [
      ['edge-1', true, 1],
      ['edge-2', true, 1],
    ],
  );
});

test('of some destinations the nodes are asked about those, and about no other', async (t) => {
  const { bus, gateway } = await setUp(t);
  startNode(t, bus, 'edge-1');
  const made = [];
  for (const name of ['a', 'b'])
    made.push(await ask(bus, createDestination, { gatewayId: gateway.id, input: { ...input, name } }));
  const [one] = made;
  assert.ok(one !== undefined);
  const asked: unknown[] = [];
  const at = '2026-01-01T00:00:00.000Z';
  const lastRefusal = { at, caller: '192.0.2.1:1', code: 'EDGE_NO_CLIENT', text: 'nobody' };
  answer(
    bus,
    listTunnels,
    ({ destinationIds = [] }) => {
      asked.push(destinationIds);
      const fronts = destinationIds.map((destinationId) => ({
        destinationId,
        listening: true,
        error: null,
        lastRefusal,
      }));
      return { node: 'edge-1', tunnels: [], fronts };
    },
    { suffix: 'edge-1' },
  );
  await bus.flush(1_000);
  const { items } = await ask(bus, listFronts, { destinationIds: [one.id], live: true });
  assert.deepEqual(asked, [[one.id]]);
  assert.deepEqual(
    items.map(({ destinationId, listening }) => [destinationId, listening]),
    [[one.id, [{ node: 'edge-1', listening: true, error: null, lastRefusal }]]],
  );
  const theirs = await ask(bus, listFronts, { destinationIds: [one.id], gatewayIds: ['other'] });
  assert.deepEqual(theirs.items, []);
});

test('another start on the same store finds everything again', async (t) => {
  const { bus, gateway, store, hub } = await setUp(t);
  const made = await ask(bus, createDestination, { gatewayId: gateway.id, input });
  const second = createRouter({ bus: hub.connect(), store, config: defaults, logger: silentLogger });
  await second.start();
  await second.stop();
  assert.deepEqual(await ask(bus, getDestination, { gatewayId: gateway.id, id: made.id }), made);
});

test('a certificate that is let go of between its check and the change is not named by a destination', async (t) => {
  const { bus, gateway, hub, clock } = await setUp(t);
  let isReleasing = false;
  const checking = answer(hub.connect(), checkCertificates, async ({ uses }) => {
    for (const { id } of isReleasing ? uses : []) await ask(bus, releaseCertificate, { id });
    return { faults: [], warnings: [] };
  });
  t.after(() => checking.close());
  const naming = (id: string, host: string): DestinationInput => ({
    ...input,
    front: { host, tls: { mode: 'server', certificateId: id } },
  });
  const gatewayId = gateway.id;
  const kept = await ask(bus, createDestination, { gatewayId, input: naming('kept', 'a.example') });
  isReleasing = true;
  const refused = {
    code: 'ROUTER_INVALID',
    message: /certificateId names the certificate gone, which is being/,
  };
  const create = ask(bus, createDestination, { gatewayId, input: naming('gone', 'b.example') });
  await assert.rejects(create, refused);
  const patch = { front: { tls: { certificateId: 'gone' } } };
  await assert.rejects(ask(bus, updateDestination, { gatewayId, id: kept.id, patch }), refused);
  assert.equal((await ask(bus, listDestinations, { gatewayId })).items.length, 1);
  // What names others, or the same as before, goes on; and a release does not hold for ever.
  isReleasing = false;
  await ask(bus, releaseCertificate, { id: 'kept' });
  await ask(bus, updateDestination, { gatewayId, id: kept.id, patch: { name: 'renamed' } });
  clock.now += 600_000;
  await ask(bus, createDestination, { gatewayId, input: naming('gone', 'b.example') });
});

test('a certificate that certstore refuses is named neither by a new destination nor by a change, nor is one that nobody checked', async (t) => {
  const { bus, gateway, hub } = await setUp(t);
  const asked: unknown[] = [];
  let meanwhile = async (): Promise<unknown> => undefined;
  const checking = answer(hub.connect(), checkCertificates, async ({ uses, keyGateways }) => {
    asked.push(keyGateways);
    await meanwhile();
    const faults = uses
      .filter(({ id }) => id === 'unfit')
      .map(({ field: path }) => ({ path, code: 'UNFIT', message: 'has ended' }));
    return { faults, warnings: [] };
  });
  t.after(() => checking.close());
  const tls = (certificateId: string) => ({ mode: 'server' as const, certificateId });
  const gatewayId = gateway.id;
  const create = (certificateId: string) =>
    ask(bus, createDestination, {
      gatewayId,
      input: { ...input, front: { host: 'a.example', tls: tls(certificateId) } },
      keyGateways: [gatewayId],
    });
  const isUnfit = ({ body }: ServiceError): boolean => {
    const errors = [{ path: '/front/tls/certificateId', message: 'has ended' }];
    assert.deepEqual([body.code, body.errors], ['ROUTER_INVALID', errors]);
    return true;
  };
  await assert.rejects(create('unfit'), isUnfit);
  const made = await create('fit');
  const one = { gatewayId, id: made.id };
  const change = (certificateId: string) =>
    ask(bus, updateDestination, {
      ...one,
      patch: { front: { tls: { certificateId } } },
      keyGateways: [gatewayId],
    });
  await assert.rejects(change('unfit'), isUnfit);
  assert.deepEqual(asked, [[gatewayId], [gatewayId], [gatewayId]]);
  // Another change came in between: for the host that it gave nobody has checked the certificate.
  meanwhile = async () => {
    meanwhile = async () => undefined;
    await ask(bus, updateDestination, { ...one, patch: { front: { host: 'b.example' } } });
  };
  await assert.rejects(change('another'), { code: 'ROUTER_REVISION_STALE' });
});

test('a certificate whose deletion was refused may be named at once, unless another deletion counts on its release', async (t) => {
  const { bus, gateway, hub } = await setUp(t);
  const checking = answer(hub.connect(), checkCertificates, () => ({ faults: [], warnings: [] }));
  t.after(() => checking.close());
  const name = (id: string) =>
    ask(bus, createDestination, {
      gatewayId: gateway.id,
      input: { ...input, front: { host: `${id}.example`, tls: { mode: 'server', certificateId: id } } },
    });
  const refused = { code: 'ROUTER_INVALID', message: /which is being deleted/ };
  await ask(bus, releaseCertificate, { id: 'one', deletion: 'refused' });
  await assert.rejects(name('one'), refused);
  await ask(bus, releaseCertificate, { id: 'one', deletion: 'refused', isOver: true });
  await name('one');
  await ask(bus, releaseCertificate, { id: 'two', deletion: 'goes on' });
  await ask(bus, releaseCertificate, { id: 'two', deletion: 'refused' });
  await ask(bus, releaseCertificate, { id: 'two', deletion: 'refused', isOver: true });
  await assert.rejects(name('two'), refused);
  await ask(bus, releaseCertificate, { id: 'two', deletion: 'nobody', isOver: true });
  await assert.rejects(name('two'), refused);
  await ask(bus, releaseCertificate, { id: 'two', deletion: 'goes on', isOver: true });
  await name('two');
});

test('a release that a deletion made without saying which it is, or that too many count on, is taken back by none', async (t) => {
  const { bus, gateway, hub } = await setUp(t);
  const checking = answer(hub.connect(), checkCertificates, () => ({ faults: [], warnings: [] }));
  t.after(() => checking.close());
  const deletions = Array.from({ length: 65 }, (_, index) => String(index));
  for (const [id, all] of [
    ['unsaid', [undefined, 'refused']],
    ['said later', ['refused', undefined]],
    ['many', deletions],
  ] as const) {
    for (const deletion of all)
      await ask(bus, releaseCertificate, { id, ...(deletion === undefined ? {} : { deletion }) });
    for (const deletion of all)
      if (deletion !== undefined) await ask(bus, releaseCertificate, { id, deletion, isOver: true });
    const front = { host: 'a.example', tls: { mode: 'server', certificateId: id } } as const;
    const naming = ask(bus, createDestination, { gatewayId: gateway.id, input: { ...input, front } });
    await assert.rejects(naming, { code: 'ROUTER_INVALID', message: /which is being deleted/ }, id);
  }
});

test('a start waits for documents that are out of reach at any step, and leaves nothing open of what failed', async (t) => {
  const store = openSqlite(':memory:');
  const hub = new MemoryHub();
  const bus = hub.connect();
  let failures = 1;
  // The last that a start opens.
  const failing: Store = {
    collection: async (name, options) => {
      if (name === 'router_restore' && (failures -= 1) >= 0)
        throw new StoreError('STORE_UNREACHABLE', 'no server');
      return store.collection(name, options);
    },
    transaction: (work, options) => store.transaction(work, options),
    ping: () => store.ping(),
    time: () => store.time(),
    close: () => store.close(),
  };
  const router = createRouter({ bus: hub.connect(), store: failing, config: defaults, logger: silentLogger });
  t.after(async () => {
    await router.stop();
    await store.close();
  });
  await router.start();
  const everything = { epoch: '', revision: 0 };
  await ask(bus, gatewayFeed.since, everything);
  await router.stop();
  await assert.rejects(ask(bus, gatewayFeed.since, everything));
});
