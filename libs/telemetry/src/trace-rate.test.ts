import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TraceRate } from './trace-rate.ts';

test('no more traces begin in a second than are allowed, spread over it once the first have begun', () => {
  let now = 5_000;
  const rate = new TraceRate(10, () => now);
  const begun: number[] = [];
  for (; now < 8_000; now += 1) if (rate.take()) begun.push(now);
  assert.equal(begun.filter((at) => at < 5_010).length, 10);
  assert.equal(begun.filter((at) => at >= 6_000 && at < 7_000).length, 10);
  const gaps = begun.slice(11).map((at, index) => at - (begun[index + 10] as number));
  assert(
    gaps.every((gap) => gap >= 99 && gap <= 101),
    gaps.join(),
  );
});

test('a pause saves up one second, not more', () => {
  let now = 0;
  const rate = new TraceRate(2, () => now);
  assert.deepEqual([rate.take(), rate.take(), rate.take()], [true, true, false]);
  now = 60_000;
  assert.deepEqual([rate.take(), rate.take(), rate.take()], [true, true, false]);
});
