import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeNames } from './admin-nodes.ts';
import { nodesByName } from './node-list.ts';

test('as many workers as a platform has nodes are their machines', () => {
  const items = Array.from({ length: 1_024 }, (_, index) => ({
    name: `edge-${Math.floor(index / 64) + 1}-${(index % 64) + 1}`,
    heard: true,
  }));
  assert.equal(nodesByName(nodeNames(200, JSON.stringify({ items })), '{name}', 64).length, 16);
});

test('what is no list of nodes is refused, and one of more than a platform has', () => {
  const refused = { code: 'BALANCER_ADMIN_REFUSED' };
  const items = Array.from({ length: 1_025 }, (_, index) => ({ name: `edge-${index}`, heard: true }));
  assert.throws(() => nodeNames(200, JSON.stringify({ items })), refused);
  assert.throws(() => nodeNames(503, '{"items":[]}'), refused);
  assert.throws(() => nodeNames(200, '<html>'), refused);
  assert.throws(() => nodeNames(200, '{"items":[{"name":1,"heard":true}]}'), refused);
});
