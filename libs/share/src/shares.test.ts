import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Shares } from './shares.ts';

test('one gateway has half of the places at most, and all together no more than there are', () => {
  const shares = new Shares(4);
  shares.take('one');
  shares.take('one');
  assert.equal(shares.whyFull('one'), 'share full');
  assert.equal(shares.whyFull('two'), null);
  assert.equal(shares.whyFull(null), null);
  shares.take('two');
  shares.take('three');
  assert.equal(shares.whyFull('two'), 'full');
  assert.equal(shares.whyFull(null), 'full');
  shares.leave('one');
  assert.equal(shares.whyFull('one'), null);
  assert.equal(shares.total, 3);
});

test('a node with one place gives it to whoever comes', () => {
  const shares = new Shares(1);
  assert.equal(shares.whyFull('one'), null);
  shares.take('one');
  assert.equal(shares.whyFull('one'), 'full');
  shares.leave('one');
  assert.equal(shares.whyFull('two'), null);
});

test('connections of one address are bounded, and those of another are not touched', () => {
  const count = new Shares(Infinity, 2);
  const enters = (...addresses: string[]) =>
    addresses.map((address) => {
      const isFree = count.whyFull(address) === null;
      if (isFree) count.take(address);
      return isFree;
    });
  assert.deepEqual(enters('192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'), [true, true, false, true]);
  count.leave('192.0.2.1');
  assert.deepEqual(enters('192.0.2.1', '192.0.2.1'), [true, false]);
});

test('who waits until no place is taken hears of the last one that is given back', async () => {
  const shares = new Shares(2);
  await shares.emptied(3_600_000);
  shares.take('one');
  shares.take(null);
  const told = mock.fn();
  const emptied = shares.emptied(3_600_000).then(told);
  shares.leave('one');
  await nextTurn();
  assert.equal(told.mock.callCount(), 0);
  shares.leave(null);
  await emptied;
});
