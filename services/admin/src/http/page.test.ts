import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageOfAll } from './page.ts';

const all = ['a', 'b', 'c'].map((id) => ({ id }));

test('a list that is here whole is cut into pages, and without a limit it is one', () => {
  assert.deepEqual(pageOfAll(all, {}), { items: all, nextCursor: null });
  assert.deepEqual(pageOfAll([], {}), { items: [], nextCursor: null });
  const first = pageOfAll(all, { limit: 2 });
  assert.deepEqual(first, { items: all.slice(0, 2), nextCursor: 'b' });
  assert.deepEqual(pageOfAll(all, { limit: 2, cursor: 'b' }), { items: all.slice(2), nextCursor: null });
});
