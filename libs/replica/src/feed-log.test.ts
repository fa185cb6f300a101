import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Store, type StoredDocument, openSqlite } from '@postern/store';
import { FeedLog, idsPerChangeMax, logEntriesMax } from './feed-log.ts';

interface Opened {
  readonly store: Store;
  readonly log: FeedLog;
  /** A change of those. */
  readonly change: (...ids: string[]) => Promise<void>;
}

async function open(t: TestContext): Promise<Opened> {
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const log = await FeedLog.open(store, 'acl.policies');
  const change = (...ids: string[]): Promise<void> =>
    store.transaction(async (within) => {
      const tell = await log.raise(within);
      await tell(ids);
    });
  return { store, log, change };
}

const entryOf = (revision: number): string => String(revision).padStart(16, '0');
const entriesOf = (store: Store) =>
  store.collection<StoredDocument & { ids: string[] | null }>('acl_policies_log');

test('a log tells who changed between two revisions, and nothing of a revision that there is not', async (t) => {
  const { log, change } = await open(t);
  await change('a');
  await change('b', 'a');
  assert.equal((await log.position()).revision, 3);
  assert.deepEqual(await log.changedBetween(1, 3), new Set(['a', 'b']));
  assert.deepEqual(await log.changedBetween(1, 2), new Set(['a']));
  assert.deepEqual(await log.changedBetween(2, 3), new Set(['b', 'a']));
  assert.deepEqual(await log.changedBetween(3, 3), new Set());
  assert.equal(await log.changedBetween(4, 3), null);
});

test('a log that has lost a change tells none, whichever it is', async (t) => {
  for (const lost of [2, 3, 4]) {
    const { store, log, change } = await open(t);
    for (const id of ['a', 'b', 'c']) await change(id);
    await (await entriesOf(store)).delete(entryOf(lost));
    assert.equal(await log.changedBetween(1, 4), null, String(lost));
  }
});

test('a log does not tell what a change touched that touched too many', async (t) => {
  const { log, change } = await open(t);
  const many = Array.from({ length: idsPerChangeMax }, (_, number) => String(number));
  await change(...many, '0');
  assert.equal((await log.changedBetween(1, 2))?.size, idsPerChangeMax);
  await change(...many, 'one more');
  assert.equal(await log.changedBetween(1, 3), null);
});

test('a log keeps its last changes, and reads them page by page', async (t) => {
  const { store, log, change } = await open(t);
  const entries = await entriesOf(store);
  const counter = await store.collection<StoredDocument & { epoch: string }>('acl_policies_counter');
  const last = logEntriesMax + 7;
  await store.transaction(async (within) => {
    for (let revision = 8; revision <= last; revision += 1)
      await within(entries).insert({ id: entryOf(revision), revision: 1, ids: [`${revision}`] });
    await within(counter).put({ id: 'counter', revision: last, epoch: 'e' });
  });
  assert.equal((await log.changedBetween(7, last))?.size, logEntriesMax);
  await change('x');
  assert.equal(await entries.count(), logEntriesMax);
  assert.equal(await log.changedBetween(7, last + 1), null);
  assert.equal((await log.changedBetween(8, last + 1))?.size, logEntriesMax);
});

test('a log of documents that were restored has another epoch, also where the counter was lost', async (t) => {
  const { store, log, change } = await open(t);
  await change('a');
  const before = await log.position();
  await store.transaction((within) => log.renewEpoch(within));
  const restored = await log.position();
  assert.notEqual(restored.epoch, before.epoch);
  assert(restored.revision > before.revision);
  await (await store.collection('acl_policies_counter')).delete('counter');
  await assert.rejects(log.position(), { code: 'STORE_NOT_FOUND' });
  await store.transaction((within) => log.renewEpoch(within));
  assert.notEqual((await log.position()).epoch, restored.epoch);
});
