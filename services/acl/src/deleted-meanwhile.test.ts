// A gateway or destination that is deleted, and whose things another replica drops, while this one is making something for
// it: each word of the router is older than the deletion, and what is made comes after the drop.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type Bus, MemoryHub } from '@postern/bus';
import {
  ask,
  createToken,
  followGateway,
  getAccessList,
  putSourceRules,
  secretHash,
} from '@postern/contracts';
import { FakeRouter } from './fake-router.ts';
import { type Store, openSqlite } from '@postern/store';
import { createAcl } from './index.ts';

const config = { tokensPerGatewayMax: 5, apiKeysMax: 3, forgetAfterDays: 30, ticketKeyHours: 24 };
const plant = { id: 'plant', name: 'Plant', enabled: true, requireToken: true };

/** A replica with a bus and a router of its own, so that it is known which one is asked. */
async function startReplica(t: TestContext, store: Store): Promise<{ bus: Bus; router: FakeRouter }> {
  const hub = new MemoryHub();
  const router = await FakeRouter.start(hub.connect());
  router.put(plant);
  router.destinations.add('db');
  const acl = createAcl({ bus: hub.connect(), store, config });
  await acl.start();
  t.after(async () => {
    await acl.stop();
    await router.stop();
  });
  return { bus: hub.connect(), router };
}

/** Two on the same documents; the transaction after `deleteIn` is called waits until the gateway was dropped by the other. */
async function setUp(t: TestContext) {
  const store = openSqlite(':memory:');
  let before = async (): Promise<void> => {};
  const own: Store = {
    collection: (name, options) => store.collection(name, options),
    transaction: async (work, options) => {
      const first = before;
      before = async () => {};
      await first();
      return store.transaction(work, options);
    },
    ping: () => store.ping(),
    time: () => store.time(),
    close: () => store.close(),
  };
  const [one, other] = [await startReplica(t, own), await startReplica(t, store)];
  t.after(() => store.close());
  await ask(one.bus, getAccessList, { gatewayId: 'plant' });
  const deleteBeforeNextChange = (id: string): void => {
    before = async () => {
      for (const { router } of [one, other]) router.delete(id);
      await ask(other.bus, followGateway, { id });
    };
  };
  const left = async (): Promise<string[]> => {
    const names = ['policies', 'accessLists', 'sourceRules', 'tokens'];
    const counts = await Promise.all(names.map(async (name) => (await store.collection(name)).count()));
    return names.filter((_, index) => counts[index] !== 0);
  };
  return { ...one, deleteBeforeNextChange, left };
}

test('no token is left of a gateway that is deleted while it is made', async (t) => {
  const { bus, deleteBeforeNextChange, left } = await setUp(t);
  deleteBeforeNextChange('plant');
  const making = ask(bus, createToken, { gatewayId: 'plant', input: {}, hash: secretHash('token') });
  await assert.rejects(making, { code: 'ACL_GATEWAY_UNKNOWN' });
  assert.deepEqual(await left(), []);
});

test('no source rules are left of a gateway that is deleted while its first ones are put', async (t) => {
  const { bus, deleteBeforeNextChange, left, router } = await setUp(t);
  deleteBeforeNextChange('plant');
  router.deleted.add('db');
  const putting = ask(bus, putSourceRules, {
    gatewayId: 'plant',
    destinationId: 'db',
    input: { restricted: true },
  });
  await assert.rejects(putting, { code: 'ACL_DESTINATION_UNKNOWN' });
  assert.deepEqual(await left(), []);
});

test('no policy is left of a gateway that is deleted between what the router says of it and the making', async (t) => {
  const { bus, deleteBeforeNextChange, left, router } = await setUp(t);
  router.delete('plant');
  await ask(bus, followGateway, { id: 'plant' });
  router.put({ ...plant, id: 'short' });
  deleteBeforeNextChange('short');
  await assert.rejects(ask(bus, getAccessList, { gatewayId: 'short' }), { code: 'ACL_GATEWAY_UNKNOWN' });
  assert.deepEqual(await left(), []);
});
