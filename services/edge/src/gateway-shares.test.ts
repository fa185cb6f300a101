import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayShares } from './gateway-shares.ts';

test('one gateway has half of the places at most, and all together no more than there are', () => {
  const shares = new GatewayShares(4);
  shares.take('one');
  shares.take('one');
  assert.equal(shares.whyFull('one'), 'gateway full');
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
  const shares = new GatewayShares(1);
  assert.equal(shares.whyFull('one'), null);
  shares.take('one');
  assert.equal(shares.whyFull('one'), 'full');
  shares.leave('one');
  assert.equal(shares.whyFull('two'), null);
});
