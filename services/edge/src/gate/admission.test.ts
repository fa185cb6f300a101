import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit, addressGroup } from './admission.ts';

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

test('a caller is its IPv4 address, or its IPv6 /64', () => {
  assert.equal(addressGroup('192.0.2.1'), '192.0.2.1');
  assert.equal(addressGroup('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(addressGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(addressGroup('2001:db8::1'), addressGroup('2001:db8::ffff'));
  assert.equal(addressGroup('fe80::1%eth0'), 'fe80:0:0:0::/64');
});
