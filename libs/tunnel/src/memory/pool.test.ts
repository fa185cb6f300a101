import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pool, PoolBound } from './pool.ts';

function filled(count: number, max = count): Pool<number> {
  const pool = new Pool<number>(new PoolBound(max));
  for (let one = 0; one < count; one += 1) pool.put(one);
  return pool;
}

function sizeOf(pool: Pool<number>): number {
  let size = 0;
  while (pool.take() !== undefined) size += 1;
  return size;
}

test('what was given back last is taken first', () => {
  const pool = filled(3);
  assert.deepEqual([pool.take(), pool.take(), pool.take(), pool.take()], [2, 1, 0, undefined]);
});

test('no more is kept than the bound', () => {
  assert.equal(sizeOf(filled(10, 4)), 4);
});

test('pools with one bound have no more together, and what one lets go is room for the other', () => {
  const bound = new PoolBound(10);
  const [small, large] = [new Pool<number>(bound, 1), new Pool<number>(bound, 4)];
  for (let one = 0; one < 4; one += 1) large.put(one);
  for (let one = 0; one < 4; one += 1) small.put(one);
  large.take();
  for (let one = 0; one < 10; one += 1) small.put(one);
  assert.deepEqual([sizeOf(small), sizeOf(large)], [6, 1]);
  large.put(1);
  while (large.trim());
  for (let one = 0; one < 20; one += 1) small.put(one);
  assert.equal(sizeOf(small), 10);
});

test('what lay idle goes by halves, and what was needed meanwhile stays', () => {
  const pool = filled(100);
  assert.equal(pool.trim(), true);
  assert.equal(pool.trim(), true);
  const taken = Array.from({ length: 20 }, () => pool.take() as number);
  for (const one of taken) pool.put(one);
  pool.trim();
  // 100, 50 idle; of those 20 were needed, and of the other 30 half goes.
  assert.equal(sizeOf(pool), 35);
});

test('a pool that nobody needs is empty in the end', () => {
  const pool = filled(100);
  let rounds = 0;
  while (pool.trim()) rounds += 1;
  assert(rounds < 12);
  assert.equal(pool.take(), undefined);
});
