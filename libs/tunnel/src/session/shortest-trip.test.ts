import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Budget } from '../memory/budget.ts';
import { defaultLimits } from '../limit.ts';
import { ReceiveWindow } from '../stream/receive-window.ts';
import { ShortestTrip } from './shortest-trip.ts';

const mib = 2 ** 20;

test('the shortest round trip counts, and no longer than twenty seconds', () => {
  const trip = new ShortestTrip();
  assert.equal(trip.ms, null);
  trip.add(3, 0, 100_000);
  trip.add(1, 0, 101_000);
  trip.add(50, 0, 102_000);
  assert.equal(trip.ms, 1);
  trip.add(50, 0, 110_000);
  assert.equal(trip.ms, 1);
  trip.add(50, 0, 120_000);
  assert.equal(trip.ms, 50);
});

test('a round trip beside much counts where it is shorter than what is known, or the first', () => {
  const trip = new ShortestTrip();
  trip.add(30, 2 * mib, 0);
  assert.equal(trip.ms, 30);
  trip.add(20, 2 * mib, 5_000);
  for (let now = 10_000; now < 100_000; now += 5_000) trip.add(40, 2 * mib, now);
  assert.equal(trip.ms, 20);
});

test('a window does not grow by the round trips that it makes long itself, but to some MiB', () => {
  const budget = new Budget(2 ** 30);
  budget.take(defaultLimits.floorBytes);
  const window = new ReceiveWindow(defaultLimits, budget);
  window.start(false);
  const trip = new ShortestTrip();
  const bytesPerMs = 100_000;
  let now = 0;
  for (let pingAt = 0; now < 300_000;) {
    if (now >= pingAt) {
      // All of the window is under way before the PING.
      trip.add(now === 0 ? 0.2 : window.window / bytesPerMs, window.window, now);
      pingAt += 5_000;
    }
    window.received = window.limit;
    const bytes = window.window / 2;
    now += bytes / bytesPerMs;
    window.delivered += bytes;
    window.renew(now, trip.ms);
    window.acknowledged = window.delivered;
  }
  assert.ok(window.window <= 8 * mib, `${window.window}`);
});
