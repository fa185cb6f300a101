import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineLimit } from './line-limit.ts';

test('a second has its lines, and the next one says how many were left out', () => {
  let now = 0;
  const limit = new LineLimit(2, () => now);
  assert.deepEqual([limit.take(), limit.take(), limit.take(), limit.take()], [{}, {}, null, null]);
  now = 1_000;
  assert.deepEqual([limit.take(), limit.take(), limit.take()], [{ leftOut: 2 }, {}, null]);
});
