import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from './backoff.ts';

test('a worker is started again at once, then after waits that double up to ten seconds', () => {
  const backoff = new Backoff(() => 0);
  backoff.started();
  const waits = Array.from({ length: 10 }, () => backoff.next());
  assert.deepEqual(waits, [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
});

test('a worker that lived for a minute is started again at once', () => {
  let now = 0;
  const backoff = new Backoff(() => now);
  backoff.started();
  for (let deaths = 0; deaths < 5; deaths += 1) backoff.next();
  backoff.started();
  now = 60_000;
  assert.equal(backoff.next(), 0);
});
