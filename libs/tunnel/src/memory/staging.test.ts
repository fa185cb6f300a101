import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stage } from './staging.ts';

function pieces(count: number, bytes: number, value: number): Buffer[] {
  return Array.from({ length: count }, () => Buffer.alloc(bytes, value));
}

test('pieces come behind one another, however many and large they are', () => {
  for (const [count, bytes] of [
    [3, 100],
    [2, 8_192],
    [7, 16_385],
    [4, 65_528],
    [2, 600_000],
    [2, 3_000_000],
  ] as const) {
    const given = pieces(count, bytes, count);
    given[0]?.fill(0xaa);
    const staged = stage(given, count * bytes);
    assert.ok(staged.bytes.equals(Buffer.concat(given)));
    staged.giveBack();
  }
});

test('memory is at most twice as large as what lies in it, and is lent to one at a time', () => {
  const first = stage(pieces(5, 10_000, 1), 50_000);
  const second = stage(pieces(5, 10_000, 2), 50_000);
  assert.notEqual(first.bytes.buffer, second.bytes.buffer);
  assert.ok(first.bytes.buffer.byteLength <= 100_000);
  assert.ok(first.bytes.every((byte) => byte === 1));
  first.giveBack();
  const third = stage(pieces(5, 10_000, 3), 50_000);
  assert.equal(third.bytes.buffer, first.bytes.buffer);
  assert.ok(second.bytes.every((byte) => byte === 2));
  second.giveBack();
  third.giveBack();
});

test('memory that is given back twice is a fault of the program', () => {
  const staged = stage(pieces(2, 20_000, 1), 40_000);
  staged.giveBack();
  assert.throws(() => staged.giveBack(), /given back twice/);
});

test('no more is kept than the bound of all sizes', () => {
  const lent = Array.from({ length: 100 }, () => stage(pieces(1, 1_000_000, 1), 1_000_000));
  const memory = new Set(lent.map(({ bytes }) => bytes.buffer));
  for (const { giveBack } of lent) giveBack();
  const again = Array.from({ length: 100 }, () => stage(pieces(1, 1_000_000, 2), 1_000_000));
  const kept = again.filter(({ bytes }) => memory.has(bytes.buffer)).length;
  // What other tests gave back is kept too, of all sizes together 64 MiB (pool.test.ts counts that exactly).
  assert.ok(kept <= 64 && kept > 0, `${kept} of 1 MiB`);
  for (const { giveBack } of again) giveBack();
});
