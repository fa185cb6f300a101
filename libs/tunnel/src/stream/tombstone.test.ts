import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../limit.ts';
import { TombstoneTable } from './tombstone.ts';

const limits = { ...defaultLimits, tombstonesMax: 3, tombstoneMs: 100 };

test('a tombstone answers for tombstoneMs', () => {
  const table = new TombstoneTable(limits);
  table.add('g', 'a', { kind: 'done', received: 5 }, 0);
  assert.deepEqual(table.get('g', 'a', 99), { kind: 'done', received: 5 });
  assert.equal(table.get('g', 'a', 100), null);
  assert.equal(table.get('g', 'b', 0), null);
});

test('at most tombstonesMax are kept, and the oldest goes first', () => {
  const table = new TombstoneTable(limits);
  for (const key of ['a', 'b', 'c', 'd', 'e']) table.add('g', key, { kind: 'done', received: 0 }, 0);
  assert.equal(table.size, 3);
  assert.equal(table.get('g', 'b', 0), null);
  assert.notEqual(table.get('g', 'c', 0), null);
});

test('one gateway has at most tombstonesPerGatewayMax of them, though there is room for more', () => {
  const table = new TombstoneTable({ ...limits, tombstonesPerGatewayMax: 2 });
  for (const key of ['a', 'b', 'c']) table.add('g', key, { kind: 'done', received: 0 }, 0);
  table.add('h', 'a', { kind: 'done', received: 0 }, 0);
  assert.equal(table.size, 3);
  assert.deepEqual([table.get('g', 'a', 0), table.get('g', 'b', 0) === null], [null, false]);
});

test('a sweep forgets those whose time is over, and no others', () => {
  const table = new TombstoneTable(limits);
  table.add('g', 'a', { kind: 'done', received: 0 }, 0);
  table.add('g', 'b', { kind: 'reset', code: 1, text: '' }, 50);
  table.add('g', 'a', { kind: 'done', received: 0 }, 60);
  table.sweep(150);
  assert.equal(table.size, 1);
  assert.notEqual(table.get('g', 'a', 150), null);
  table.sweep(160);
  assert.equal(table.size, 0);
});
