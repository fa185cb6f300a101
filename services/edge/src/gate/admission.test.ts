import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from './admission.ts';

test('an address may do what its bucket holds, then as much as drips in', () => {
  let now = 0;
  const limit = new RateLimit({ perSecond: 2, burst: 3, addressesMax: 10 }, () => now);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => limit.take('192.0.2.1')),
    [true, true, true, false],
  );
  now = 500;
  assert.equal(limit.take('192.0.2.1'), true);
  assert.equal(limit.take('192.0.2.1'), false);
  assert.equal(limit.take('192.0.2.2'), true);
});

test('the table of addresses forgets the one unheard for longest', () => {
  const limit = new RateLimit({ perSecond: 1, burst: 1, addressesMax: 2 }, () => 0);
  limit.take('192.0.2.1');
  limit.take('192.0.2.2');
  limit.take('192.0.2.1');
  limit.take('192.0.2.3');
  assert.equal(limit.size, 2);
  assert.equal(limit.take('192.0.2.1'), false);
});
