import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EarlyDatagrams } from './early-datagrams.ts';

test('early datagrams: the first are kept in order, what finds no room is dropped and counted', () => {
  const early = new EarlyDatagrams('g');
  for (let n = 0; n < 5; n += 1) early.push(Buffer.alloc(65_000, n));
  assert.deepEqual(
    early.items.map((payload) => payload[0]),
    [0, 1, 2, 3],
  );
  assert.equal(early.dropped, 1);
  early.clear();
  assert.deepEqual([early.items.length, early.dropped], [0, 1]);
});

test('early datagrams: empty ones are bounded too', () => {
  const early = new EarlyDatagrams('g');
  for (let n = 0; n < 40_000; n += 1) early.push(Buffer.alloc(0));
  assert.equal(early.items.length, 32_768);
  early.clear();
});
