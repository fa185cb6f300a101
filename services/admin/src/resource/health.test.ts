import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Bus, BusError, MemoryHub } from '@postern/bus';
import {
  type BackupRoom,
  type FleetNode,
  ServiceError,
  answer,
  backupQuestions,
  getCa,
  listGateways,
  listNodes,
  listTicketKeys,
} from '@postern/contracts';
import { type Store, StoreError, openSqlite } from '@postern/store';
import { nodeOf } from '../fixture/node.ts';
import type { Call } from '../http/endpoint.ts';
import { patientBus } from '../patient-bus.ts';
import { healthEndpoints } from './health.ts';

/** How long a service waits for a MongoDB that is out of reach. */
const databaseMs = 3_000;
const clocks = { warnings: [] };

test('health: a part whose database is away says so itself, and is not told as one that does not answer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const bus = new MemoryHub().connect();
  const found = Promise.withResolvers<void>();
  answer(bus, listTicketKeys, async () => {
    await found.promise;
    throw new ServiceError({
      code: 'STORE_UNREACHABLE',
      status: 503,
      message: 'the database is out of reach',
    });
  });
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const [health] = healthEndpoints({ bus, store, version: '1', clocks });
  const asked = health?.run({ params: {}, body: undefined, query: {} } as unknown as Call);
  await nextTurn();
  t.mock.timers.tick(databaseMs);
  found.resolve();
  const { body } = (await asked) as { body: { parts: { name: string; code: string | null }[] } };
  assert.equal(body.parts.find(({ name }) => name === 'acl')?.code, 'STORE_UNREACHABLE');
  await bus.close();
});

test('health: a bus that is connected and says nothing is told itself, beside the parts that are asked over it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const bus = new MemoryHub().connect();
  const still: Bus = {
    ...patientBus(bus),
    request: () => Promise.reject(new BusError('BUS_TIMEOUT', 'no reply')),
    flush: () => new Promise(() => {}),
  };
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const [health] = healthEndpoints({ bus: still, store, version: '1', clocks });
  const asked = health?.run({ params: {}, body: undefined, query: {} } as unknown as Call);
  await nextTurn();
  t.mock.timers.tick(3_000);
  const { body } = (await asked) as { body: { parts: object[] } };
  assert.deepEqual(body.parts[0], { name: 'bus', ok: false, code: 'BUS_TIMEOUT' });
  await bus.close();
});

const node = nodeOf('edge-1');

test('a node that is gone, drains or is not ready is a warning while another serves', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  let items: FleetNode[] = [];
  answer(bus, listNodes, () => ({ items }));
  answer(bus, listGateways, () => ({ items: [], nextCursor: null }));
  answer(bus, listTicketKeys, () => ({ keys: [] }));
  answer(bus, getCa, () => ({ pem: '', fingerprint: '', notAfter: '' }));
  const [health] = healthEndpoints({ bus, store, version: '0', clocks });
  assert(health !== undefined);
  const told = async () => {
    const { body } = await health.run({ params: {}, body: undefined, query: {} } as unknown as Call);
    return body as { status: string; nodes: object; warnings: string[] };
  };

  items = [node];
  const { status, warnings } = await told();
  assert.deepEqual([status, warnings], ['ok', []]);

  items = [
    node,
    { ...node, name: 'edge-2', heard: false, ready: false },
    { ...node, name: 'edge-3', draining: true },
    { ...node, name: 'edge-4', ready: false },
  ];
  const others = await told();
  assert.deepEqual(others.nodes, { ready: 1, known: 4 });
  assert.equal(others.status, 'ok');
  assert.deepEqual(others.warnings, [
    'the node edge-2 is silent, and did not say that it stops',
    'the node edge-3 drains',
    'the node edge-4 is not ready',
  ]);

  items = [{ ...node, heard: false, ready: false }];
  assert.equal((await told()).status, 'degraded');
});

test('a node that could not fetch what has changed is a warning, and counts as ready', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const behind = ['router.routes'];
  answer(bus, listNodes, () => ({
    items: [
      { ...node, behind },
      { ...node, heard: false, behind },
    ],
  }));
  const [health] = healthEndpoints({ bus, store, version: '0', clocks });
  const { body } = await (health?.run({ params: {}, body: undefined, query: {} } as unknown as Call) ?? {});
  const { nodes, warnings } = body as { nodes: object; warnings: string[] };
  assert.deepEqual(nodes, { ready: 1, known: 2 });
  assert.deepEqual(warnings, [
    'the node edge-1 could not fetch what has changed (router.routes), and goes on with what it had: its log says why',
    'the node edge-1 is silent, and did not say that it stops',
  ]);
  await bus.close();
});

test('a clock that is not the database’s is a warning, which names the part', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const [health] = healthEndpoints({ bus, store, version: '0', clocks: { warnings: ['of another'] } });
  const told = async (): Promise<unknown> => {
    const answered = await health?.run({ params: {}, body: undefined, query: {} } as unknown as Call);
    return (answered as { body: { warnings: unknown } }).body.warnings;
  };
  assert.deepEqual(await told(), ['of another']);
  store.time = async () => Date.now() + 86_400_000;
  assert.deepEqual(await told(), [
    'of another',
    'the clock of an admin API is 86400 s behind the database’s',
  ]);
  await bus.close();
});

test('a router that knows the nodes and cannot read its documents is not well', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  answer(bus, listNodes, () => ({ items: [node] }));
  answer(bus, listGateways, () => {
    throw new ServiceError({
      code: 'STORE_UNREACHABLE',
      status: 503,
      message: 'the database is out of reach',
    });
  });
  const { nodes, codes } = await codesOf(bus, store);
  assert.deepEqual([nodes, codes.get('router')], [{ ready: 1, known: 1 }, 'STORE_UNREACHABLE']);
});

test('documents that can be read and not be changed are not well: the database is full, or read-only', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  assert.equal((await codesOf(bus, store)).codes.get('documents'), null);
  const full: Store = Object.create(store, {
    collection: {
      value: async (name: string) =>
        Object.assign(await store.collection(name), {
          put: () => Promise.reject(new StoreError('STORE_REFUSED', 'no space left')),
        }),
    },
  });
  assert.equal((await codesOf(bus, full)).codes.get('documents'), 'STORE_REFUSED');
});

test('documents that change slower than a question may take are not well, though nobody refuses', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const slow: Store = Object.create(store, {
    collection: { value: () => new Promise<never>(() => ask()) },
  });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told = codesOf(bus, slow);
  await asked;
  t.mock.timers.tick(listGateways.deadlineMs);
  assert.equal((await told).codes.get('documents'), 'STORE_TIMEOUT');
});

test('all who ask while it is found out are told the same, and whoever asks afterwards what is then', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  let changes = 0;
  const counting: Store = Object.create(store, {
    collection: {
      value: (name: string) => {
        changes += 1;
        return store.collection(name);
      },
    },
  });
  const [health] = healthEndpoints({ bus, store: counting, version: '1', clocks });
  assert(health !== undefined);
  const ask = () => health.run({ params: {}, body: undefined, query: {} } as unknown as Call);
  await Promise.all(Array.from({ length: 50 }, ask));
  assert.equal(changes, 1);
  await ask();
  assert.equal(changes, 2);
});

test('a question that the bus does not let through is told by its code, not as an internal error', async (t) => {
  const hub = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const request = () => Promise.reject(new BusError('BUS_DENIED', 'the server does not allow it'));
  const bus: Bus = { ...patientBus(hub), request };
  assert.equal((await codesOf(bus, store)).codes.get('router'), 'BUS_DENIED');
});

test('a bus that is out of reach is a part that is not ok: what is said of those behind it follows from that', async (t) => {
  const hub = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  assert.equal((await codesOf(hub, store)).codes.get('bus'), null);
  const request = () => Promise.reject(new BusError('BUS_TIMEOUT', 'no reply'));
  const bus: Bus = { ...patientBus(hub), connected: false, request };
  const { codes } = await codesOf(bus, store);
  assert.deepEqual(
    [...codes],
    [
      ['bus', 'BUS_UNREACHABLE'],
      ['documents', null],
      ['router', 'BUS_TIMEOUT'],
      ['acl', 'BUS_TIMEOUT'],
      ['certstore', 'BUS_TIMEOUT'],
    ],
  );
});

async function codesOf(
  bus: Bus,
  store: Store,
): Promise<{ nodes: unknown; codes: Map<string, string | null> }> {
  const [health] = healthEndpoints({ bus, store, version: '1', clocks });
  const answered = await health?.run({ params: {}, body: undefined, query: {} } as unknown as Call);
  const { body } = answered as { body: { nodes: unknown; parts: { name: string; code: string | null }[] } };
  return { nodes: body.nodes, codes: new Map(body.parts.map(({ name, code }) => [name, code])) };
}

test('health: a restore that one owner has and another not is a warning, until all of them have it', async (t) => {
  const bus = new MemoryHub().connect();
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const [health] = healthEndpoints({ bus, store, version: '1', clocks });
  const warnings = async (): Promise<string[]> => {
    const asked = health?.run({ params: {}, body: undefined, query: {} } as unknown as Call);
    return ((await asked) as { body: { warnings: string[] } }).body.warnings;
  };
  const done: Partial<Record<BackupRoom, string | null>> = { router: 'newer', acl: 'newer' };
  for (const room of ['router', 'acl'] as const)
    answer(bus, backupQuestions(room).done, () => ({ restoreId: done[room] ?? null }));
  assert.deepEqual(await warnings(), [], 'one that does not say is of the version before, or away');
  answer(bus, backupQuestions('certstore').done, () => ({ restoreId: done.certstore ?? null }));
  const broken = [/router has the documents of a backup, and certstore not/, /postern restore/];
  for (const words of broken) assert.match((await warnings()).join(), words);
  done.certstore = 'newer';
  assert.deepEqual(await warnings(), []);
  done.acl = 'older';
  assert.match((await warnings()).join(), /and acl not/);
  done.router = null;
  assert.deepEqual(await warnings(), [], 'nothing was restored');
  await bus.close();
});
