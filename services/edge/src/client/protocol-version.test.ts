import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreedVersion, protocolVersions } from './protocol-version.ts';

test('the highest version in common is spoken, whichever end is the newer one', () => {
  assert.equal(agreedVersion([1], [1, 2]), 1);
  assert.equal(agreedVersion([1, 2], [1]), 1);
  assert.equal(agreedVersion([3, 2, 1], [1, 2]), 2);
  assert.throws(() => agreedVersion([3], [1, 2]), { code: 'EDGE_VERSION_UNKNOWN' });
});

test('this node speaks its version and the one before', () => {
  const newest = Math.max(...protocolVersions);
  for (const version of [newest, newest - 1]) {
    if (version >= 1) assert.equal(agreedVersion([version]), version);
  }
});
