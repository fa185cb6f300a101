import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Budget } from './memory/budget.ts';
import { defaultLimits } from './limit.ts';

test('a session has a floor for every stream that it may have, and for no more', () => {
  const { streamsPerSessionMax, floorBytes, receiveBytesPerSessionMax, receiveBytesPerProcessMax } =
    defaultLimits;
  const budget = new Budget(receiveBytesPerSessionMax, new Budget(receiveBytesPerProcessMax));
  for (let stream = 0; stream < streamsPerSessionMax; stream += 1) assert.ok(budget.take(floorBytes));
  assert.equal(budget.take(floorBytes), false);
});
