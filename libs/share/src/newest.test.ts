import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setNewest } from './newest.ts';

test('of more than may be kept the one that was set longest ago is forgotten', () => {
  const map = new Map<string, number>();
  for (const key of ['one', 'two', 'one', 'three']) setNewest(map, key, map.size, 2);
  assert.deepEqual([...map.keys()], ['one', 'three']);
});
