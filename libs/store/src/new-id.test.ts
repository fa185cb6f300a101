import assert from 'node:assert/strict';
import { it } from 'node:test';
import { newId } from './index.ts';

it('makes IDs that grow, within one millisecond too', () => {
  const ids = Array.from({ length: 5_000 }, () => newId('g'));
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

it('makes IDs of lower-case letters and digits, all of one length', () => {
  for (let round = 0; round < 100; round += 1) assert.match(newId(), /^[0-9a-z]{22}$/);
  assert.match(newId('gw'), /^gw[0-9a-z]{22}$/);
});

it('does not go back when the clock does', (context) => {
  const before = newId();
  context.mock.timers.enable({ apis: ['Date'], now: 0 });
  assert(newId() > before);
});
