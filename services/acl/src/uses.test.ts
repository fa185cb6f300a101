import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openSqlite } from '@postern/store';
import { silentLogger } from '@postern/telemetry';
import { openDocuments } from './document.ts';
import { Uses } from './uses.ts';

const noon = Date.parse('2026-01-01T12:00:00Z');
const minuteMs = 60_000;

async function setUp(t: TestContext) {
  const store = openSqlite(':memory:');
  const documents = await openDocuments(store);
  t.after(() => store.close());
  const clock = { now: noon };
  const put = t.mock.method(documents.uses, 'put');
  const make = (): Uses => new Uses({ documents, logger: silentLogger, now: () => clock.now });
  return { documents, clock, put, make };
}

test('a use is written once in ten minutes, and is known at once', async (t) => {
  const { clock, put, make } = await setUp(t);
  const uses = make();
  assert.equal(await uses.lastUsedAt('a'), null);
  for (let minute = 0; minute < 10; minute += 1) {
    uses.note('a');
    assert.equal(await uses.lastUsedAt('a'), '2026-01-01T12:00:00.000Z');
    clock.now += minuteMs;
  }
  await uses.stop();
  assert.equal(put.mock.callCount(), 1);
  uses.note('a');
  await uses.stop();
  assert.equal(put.mock.callCount(), 2);
  assert.equal(await make().lastUsedAt('a'), '2026-01-01T12:10:00.000Z');
});

test('of what two replicas know the later use is told', async (t) => {
  const { clock, make } = await setUp(t);
  const [one, other] = [make(), make()];
  one.note('a');
  await one.stop();
  clock.now += minuteMs;
  other.note('a');
  await other.stop();
  for (const uses of [one, other]) assert.equal(await uses.lastUsedAt('a'), '2026-01-01T12:01:00.000Z');
});

test('a use that cannot be written keeps nobody, and the next one is noted anew', async (t) => {
  const { put, make } = await setUp(t);
  const uses = make();
  put.mock.mockImplementationOnce(() => Promise.reject(new Error('the store is away')));
  for (const id of ['a', 'b']) uses.note(id);
  await uses.stop();
  assert.equal(await uses.lastUsedAt('b'), null);
  uses.note('b');
  await uses.stop();
  assert.equal(await make().lastUsedAt('b'), '2026-01-01T12:00:00.000Z');
});

test('the uses of what is gone are forgotten', async (t) => {
  const { documents, make } = await setUp(t);
  const uses = make();
  const dated = { revision: 1, createdAt: '', modifiedAt: '' };
  const token = { gatewayId: 'g', note: '', hash: 'h', expiresAt: null, revoked: false, revokedAt: null };
  await documents.tokens.insert({ id: 'token', ...dated, ...token });
  for (const id of ['token', 'key', 'gone']) uses.note(id);
  await uses.stop();
  await uses.sweep(async (id) => id === 'key');
  const { items } = await documents.uses.list({});
  assert.deepEqual(
    items.map(({ id }) => id),
    ['key', 'token'],
  );
});
