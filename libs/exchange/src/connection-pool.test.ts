import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpBounds } from './bounds.ts';
import { ConnectionPool } from './connection-pool.ts';
import { ResourceConnection } from './resource-connection.ts';

const bounds = {
  head: { headBytesMax: 1_000, fieldsMax: 10 },
  resourceKeepAliveMs: 10_000,
  resourceKeptMax: 4,
} as HttpBounds;

/** A kept connection whose tunnel answers or does not, as is said of it. */
function keptBy(pool: ConnectionPool) {
  const stream = { phase: 'open', pathLostAt: null, quiet: false, events: {} };
  const connection = new ResourceConnection(stream as never, 'client', 'resource', bounds.head, () => {});
  pool.put('destination', connection);
  return { stream, connection };
}

test('a kept connection whose tunnel does not answer is passed over, and taken when it answers again', () => {
  const pool = new ConnectionPool(bounds);
  const [older, newer] = [keptBy(pool), keptBy(pool)];
  const take = (): ResourceConnection | null => pool.take('destination', 'client', 'resource');
  newer.stream.quiet = true;
  assert.equal(take(), older.connection);
  assert.equal(take(), null);
  pool.tick(performance.now());
  newer.stream.quiet = false;
  assert.equal(take(), newer.connection);
});

test('a kept connection is not taken when it has waited for as long as it is kept, or its resource is about to end it', () => {
  const pool = new ConnectionPool(bounds);
  const [older, newer] = [keptBy(pool), keptBy(pool)];
  newer.connection.keepAliveMs = 1_000;
  older.connection.idleSince -= bounds.resourceKeepAliveMs;
  assert.equal(pool.take('destination', 'client', 'resource'), null);
  older.connection.idleSince += 1_000;
  assert.equal(pool.take('destination', 'client', 'resource'), older.connection);
});
