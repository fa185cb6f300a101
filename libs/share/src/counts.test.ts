import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counts } from './counts.ts';

test('each owner has its own count', () => {
  const counts = new Counts();
  counts.add('one');
  counts.add('one');
  counts.add('two');
  assert.deepEqual([counts.of('one'), counts.of('two'), counts.of('three')], [2, 1, 0]);
  counts.remove('one');
  counts.remove('two');
  assert.deepEqual([counts.of('one'), counts.of('two')], [1, 0]);
});
