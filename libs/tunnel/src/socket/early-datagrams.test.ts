import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EarlyDatagrams } from './early-datagrams.ts';

test('early datagrams: the first are kept in order, what finds no room is dropped', () => {
  const early = new EarlyDatagrams('g');
  const kept = [0, 1, 2, 3, 4].map((n) => early.push(Buffer.alloc(65_000, n)));
  assert.deepEqual(
    early.items.map((payload) => payload[0]),
    [0, 1, 2, 3],
  );
  assert.deepEqual(kept, [true, true, true, true, false]);
  early.clear();
  assert.equal(early.items.length, 0);
});

test('early datagrams: empty ones are bounded too', () => {
  const early = new EarlyDatagrams('g');
  for (let n = 0; n < 40_000; n += 1) early.push(Buffer.alloc(0));
  assert.equal(early.items.length, 32_768);
  early.clear();
});
