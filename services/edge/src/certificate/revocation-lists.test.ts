import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demandNotOlder, fetchDelayMs } from './revocation-lists.ts';

test('a list is fetched again every quarter of an hour, and every half a minute once it is about to end', () => {
  const minuteMs = 60_000;
  const delayWith = (leftMs: number): number => fetchDelayMs(new Date(1_000_000 + leftMs), 1_000_000);
  assert.equal(fetchDelayMs(null, 1_000_000), 15 * minuteMs);
  assert.equal(delayWith(60 * minuteMs), 15 * minuteMs);
  assert.equal(delayWith(10 * minuteMs), 9.5 * minuteMs);
  for (const leftMs of [minuteMs, minuteMs / 2, 0, -60 * minuteMs]) assert.equal(delayWith(leftMs), 30_000);
});

test('a list that is older than the one that is here is not taken, but where that one is from the future', () => {
  const of = (thisUpdate: number) => ({ thisUpdate: new Date(thisUpdate) });
  demandNotOlder(of(1_000), null, 5_000);
  demandNotOlder(of(2_000), of(2_000), 5_000);
  demandNotOlder(of(1_000), of(6_000), 5_000);
  assert.throws(() => demandNotOlder(of(1_000), of(2_000), 5_000), /older than the one that is here/);
});
