import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openSqlite } from '@postern/store';
import { authorityCollection, dropClientAuthorities } from './authority.ts';

it('drops the CA of a gateway that was deleted, and no other', async () => {
  const store = openSqlite(':memory:');
  const documents = await store.collection(authorityCollection);
  const all = ['clients', 'cluster', 'gateway_deleted', 'gateway_g1', 'platform'];
  for (const id of all) await documents.insert({ id, revision: 1 });
  const asked: string[] = [];
  await dropClientAuthorities(store, async (gatewayId) => {
    asked.push(gatewayId);
    return gatewayId === 'deleted';
  });
  assert.deepEqual(asked, ['deleted', 'g1']);
  const { items } = await documents.list();
  assert.deepEqual(
    items.map(({ id }) => id),
    all.filter((id) => id !== 'gateway_deleted'),
  );
  await store.close();
});

it('drops the CAs of all gateways that were deleted, however many there are', async () => {
  const store = openSqlite(':memory:');
  const documents = await store.collection(authorityCollection);
  for (let index = 0; index < 1_100; index += 1)
    await documents.insert({ id: `gateway_${index}`, revision: 1 });
  await dropClientAuthorities(store, async () => true);
  assert.equal(await documents.count(), 0);
  await store.close();
});
