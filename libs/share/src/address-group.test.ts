import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressGroup } from './address-group.ts';

test('a caller is its IPv4 address, or its IPv6 /64', () => {
  assert.equal(addressGroup('192.0.2.1'), '192.0.2.1');
  assert.equal(addressGroup('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(addressGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(addressGroup('2001:db8::1'), addressGroup('2001:db8::ffff'));
  assert.equal(addressGroup('fe80::1%eth0'), 'fe80:0:0:0::/64');
});
