import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EarlyDatagrams } from './early-datagrams.ts';

test('early datagrams: the first are kept in order, what finds no room is dropped and counted', () => {
  const early = new EarlyDatagrams();
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
  const early = new EarlyDatagrams();
  for (let n = 0; n < 40_000; n += 1) early.push(Buffer.alloc(0));
  assert.equal(early.items.length, 32_768);
  early.clear();
});

test('early datagrams: all flows of a process together have a bound, and room comes back', () => {
  const flows = Array.from({ length: 200 }, () => new EarlyDatagrams());
  for (const flow of flows) for (let n = 0; n < 4; n += 1) flow.push(Buffer.alloc(65_000));
  const kept = flows.reduce((sum, { items }) => sum + items.length, 0);
  assert.equal(kept, Math.floor(33_554_432 / 65_008));
  for (const flow of flows) flow.clear();
  const next = new EarlyDatagrams();
  next.push(Buffer.alloc(65_000));
  assert.equal(next.items.length, 1);
  next.clear();
});
