import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoundTrip } from './round-trip.ts';

test('a round trip is as long as the server took, or as it has been awaited where that is longer already', async () => {
  let now = 0;
  const roundTrip = new RoundTrip(() => now);
  assert.equal(roundTrip.seconds, null);
  const first = Promise.withResolvers<void>();
  const measured = roundTrip.measure(() => first.promise);
  now = 2_000;
  assert.equal(roundTrip.seconds, 2);
  now = 3_000;
  first.resolve();
  await measured;
  now = 9_000;
  assert.equal(roundTrip.seconds, 3);
  const second = Promise.withResolvers<void>();
  const again = roundTrip.measure(() => second.promise);
  now = 10_000;
  assert.equal(roundTrip.seconds, 3);
  now = 13_000;
  assert.equal(roundTrip.seconds, 4);
  second.resolve();
  await again;
});

test('the server is asked once at a time, and a lost one has no round trip', async () => {
  const roundTrip = new RoundTrip();
  const { promise, reject } = Promise.withResolvers<void>();
  const measured = roundTrip.measure(() => promise);
  await roundTrip.measure(() => assert.fail('asked twice'));
  reject(new Error('lost'));
  await measured;
  assert.equal(roundTrip.seconds, null);
  await roundTrip.measure(() => Promise.resolve());
  assert.ok(roundTrip.seconds !== null);
});
