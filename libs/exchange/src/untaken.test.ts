import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Untaken } from './untaken.ts';

test('a caller that takes nothing is late after the time and a millisecond for each byte', () => {
  const untaken = new Untaken();
  assert.equal(untaken.isLate(5_000, 300, 1_000), false);
  assert.equal(untaken.isLate(6_299, 300, 1_000), false);
  assert.equal(untaken.isLate(6_300, 300, 1_000), true);
});

test('a caller that takes something within the time is never late', () => {
  const untaken = new Untaken();
  for (let bytes = 500; bytes >= 0; bytes -= 1) {
    assert.equal(untaken.isLate((500 - bytes) * 999, bytes, 1_000), false);
  }
});

test('much that waits gives no more than ten times the time, and more that comes to it none', () => {
  const untaken = new Untaken();
  assert.equal(untaken.isLate(0, 1_000_000, 1_000), false);
  assert.equal(untaken.isLate(9_999, 2_000_000, 1_000), false);
  assert.equal(untaken.isLate(10_000, 3_000_000, 1_000), true);
});
