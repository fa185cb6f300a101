import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openSqlite } from '@postern/store';
import { authorityCollection, dropClientAuthorities } from './authority.ts';

it('drops the CA of a gateway that was deleted, and no other', async () => {
  const store = openSqlite(':memory:');
  const documents = await store.collection(authorityCollection);
  const all = ['clients', 'cluster', 'gateway_deleted', 'gateway_g1', 'platform'];
  for (const id of all) await documents.insert({ id, revision: 1 });
  await dropClientAuthorities(store, async (gatewayId) => gatewayId === 'deleted');
  const { items } = await documents.list();
  assert.deepEqual(
    items.map(({ id }) => id),
    all.filter((id) => id !== 'gateway_deleted'),
  );
  await store.close();
});
