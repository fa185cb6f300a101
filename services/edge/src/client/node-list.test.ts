import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeAddress } from '@postern/contracts';
import { orderNodes } from './node-list.ts';

const node = (name: string, zone: string): NodeAddress => ({
  node: name,
  zone,
  host: 'h',
  port: 9000,
  serverName: name,
});

test('nodes of different zones come first', () => {
  const ordered = orderNodes([node('a1', 'a'), node('a2', 'a'), node('b1', 'b'), node('a3', 'a')]);
  assert.deepEqual(new Set(ordered.slice(0, 2).map((one) => one.zone)), new Set(['a', 'b']));
  assert.equal(ordered.length, 4);
});

test('nodes without a zone are failure domains of their own', () => {
  const ordered = orderNodes([node('a1', 'a'), node('a2', 'a'), node('x', ''), node('y', '')]);
  assert.equal(new Set(ordered.slice(0, 3).map((one) => one.zone || one.node)).size, 3);
});

test('a client is given at most 64 nodes', () => {
  const many = Array.from({ length: 100 }, (_, i) => node(`n${i}`, `z${i % 3}`));
  assert.equal(orderNodes(many).length, 64);
});

test('nodes that are unheard come after all others', () => {
  const ordered = orderNodes([node('a1', 'a'), node('a2', 'a')], [node('b1', 'b')]);
  assert.equal(ordered.at(-1)?.node, 'b1');
});
