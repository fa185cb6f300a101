import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockMarginMs } from '@postern/store';
import { watchClock } from './watch-clock.ts';

test('a clock that is not the database’s is told at once and every minute; a small difference is not', async (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: Date.parse('2026-01-01T00:00:00Z') });
  const told: string[] = [];
  const differences: number[] = [];
  let difference: number | null = -3 * 86_400_000;
  const store = { time: async () => (difference === null ? null : Date.now() + difference) };
  const watch = watchClock(store, { warn: (_: object, text?: string) => void told.push(text ?? '') }, (ms) =>
    differences.push(ms),
  );
  await new Promise(setImmediate);
  const differing = async (by: number | null): Promise<void> => {
    difference = by;
    t.mock.timers.tick(60_000);
    await new Promise(setImmediate);
  };
  for (const by of [clockMarginMs, clockMarginMs - 1, 1 - clockMarginMs, null]) await differing(by);
  watch.close();
  await differing(-86_400_000);
  assert.deepEqual(differences, [3 * 86_400_000, -clockMarginMs, 1 - clockMarginMs, clockMarginMs - 1, 0]);
  assert.equal(told.length, 2);
  assert.match(told[0] ?? '', /clock is 259200 s ahead of the database’s/);
  assert.match(told[1] ?? '', /clock is 5 s behind the database’s/);
});
