import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileReserve } from './file-reserve.ts';

test('callers leave a sixteenth of the file descriptors to the rest, those taken since the last reading counted', () => {
  let files = { open: 26, max: 32 };
  let now = 0;
  const reserve = new FileReserve(
    () => files,
    () => now,
  );
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => reserve.take()),
    [true, true, true, true, false],
  );
  files = { open: 29, max: 32 };
  assert.equal(reserve.take(), false, 'it is read once a second');
  now = 1_000;
  assert.deepEqual([reserve.take(), reserve.take()], [true, false]);
});

test('a node with very many keeps 1,024', () => {
  const reserve = new FileReserve(() => ({ open: 130_047, max: 131_072 }));
  assert.deepEqual([reserve.take(), reserve.take()], [true, false]);
});

test('all but what is kept may be had, whatever is open', () => {
  assert.equal(new FileReserve(() => ({ open: 20, max: 32 })).most, 30);
  assert.equal(new FileReserve(() => ({ open: 20, max: Infinity })).most, Infinity);
  assert.equal(new FileReserve(() => null).most, Infinity);
});

test('where the system does not say what is open nobody is turned away, and where none is left everybody', () => {
  assert.equal(new FileReserve(() => null).take(), true);
  assert.equal(new FileReserve(() => ({ open: 20, max: 20 })).take(), false);
});
