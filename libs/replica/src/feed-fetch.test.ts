import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { type GatewayRecord, answer, gatewayFeed } from '@postern/contracts';
import { fetchSince } from './feed-fetch.ts';

type Page = Awaited<ReturnType<typeof gatewayFeed.since.checkAnswer>>;

const since = { epoch: 'e', revision: 1 };
const record = (id: string): GatewayRecord => ({ id, name: id, enabled: true, requireToken: true });
const page = (items: string[], deleted: string[], more: boolean, other: Partial<Page> = {}): Page => ({
  epoch: 'e',
  revision: 9,
  whole: false,
  items: items.map(record),
  deleted,
  more,
  ...other,
});

/** Fetches from an owner that answers with these pages; with what it was asked for. */
async function fetchPages(t: TestContext, pages: readonly Page[]) {
  const bus = new MemoryHub().connect();
  t.after(() => bus.close());
  const asked: (string | undefined)[] = [];
  answer(bus, gatewayFeed.since, ({ after }) => {
    asked.push(after);
    return pages[asked.length - 1] ?? assert.fail('there are no more pages');
  });
  return { fetched: await fetchSince(bus, gatewayFeed, since, new AbortController().signal), asked };
}

test('pages are asked for from the last ID of the one before, of what is there or of what was deleted', async (t) => {
  const pages = [
    page(['a', 'c'], ['b'], true),
    page(['d'], ['e'], true, { revision: 10 }),
    page(['g'], ['f'], false),
  ];
  const { fetched, asked } = await fetchPages(t, pages);
  assert.deepEqual(asked, [undefined, 'c', 'e']);
  assert.deepEqual([...fetched.items.keys()], ['a', 'c', 'd', 'g']);
  assert.deepEqual(fetched.deleted, new Set(['b', 'e', 'f']));
  assert.deepEqual([fetched.epoch, fetched.revision, fetched.whole], ['e', 9, false]);
});

test('what was renewed between two pages is fetched again, not put together', async (t) => {
  for (const other of [{ epoch: 'f' }, { whole: true }]) {
    const renewed = [page(['a'], [], true), page(['b'], [], false, other)];
    await assert.rejects(fetchPages(t, renewed), { code: 'REPLICA_FEED_CHANGED' });
  }
});

test('an empty page before the last is an owner’s fault, and is not asked for again and again', async (t) => {
  await assert.rejects(fetchPages(t, [page([], [], true)]), { code: 'REPLICA_FEED_CHANGED' });
});
