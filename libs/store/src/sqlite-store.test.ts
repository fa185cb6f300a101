import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { Metrics } from '@postern/telemetry';
import { type StoredDocument, openSqlite, storeMetrics } from './index.ts';
import { testMigration } from './migrate.case.test.ts';
import { type StorePlace, testStore } from './store.case.test.ts';

async function scratch(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'postern-store-'));
}

async function place(): Promise<StorePlace> {
  const folder = await scratch();
  return {
    open: async () => openSqlite(join(folder, 'documents.db')),
    close: () => rm(folder, { recursive: true }),
  };
}

testStore('SQLite', place);
testMigration('SQLite', place);

it('refuses a file that is open already, with STORE_LOCKED, and takes it when it was closed', async () => {
  const folder = await scratch();
  const file = join(folder, 'documents.db');
  const store = openSqlite(file);
  assert.throws(() => openSqlite(file), { code: 'STORE_LOCKED' });
  await store.close();
  await openSqlite(file).close();
  await rm(folder, { recursive: true });
});

it('makes the file readable by its user only', async () => {
  const folder = await scratch();
  const store = openSqlite(join(folder, 'documents.db'));
  assert.equal((await stat(join(folder, 'documents.db'))).mode & 0o777, 0o600);
  await store.close();
  await rm(folder, { recursive: true });
});

it('rejects with STORE_UNREACHABLE when the file is no database or its folder is missing', async () => {
  const folder = await scratch();
  const file = join(folder, 'documents.db');
  await writeFile(file, 'x'.repeat(8192));
  assert.throws(() => openSqlite(file), { code: 'STORE_UNREACHABLE' });
  assert.throws(() => openSqlite(join(folder, 'missing', 'documents.db')), { code: 'STORE_UNREACHABLE' });
  await rm(folder, { recursive: true });
});

it('tells how each operation ended: ok, or the code of its error; what a transaction’s own work refuses is no failure', async () => {
  const outcomes: string[] = [];
  const store = openSqlite(':memory:', { onOutcome: (outcome) => outcomes.push(outcome) });
  const things = await store.collection<StoredDocument>('things');
  await things.insert({ id: 'a', revision: 1 });
  await assert.rejects(things.insert({ id: 'a', revision: 1 }), { code: 'STORE_DUPLICATE' });
  const refused = new Error('the work’s own');
  await assert.rejects(
    store.transaction(async (within) => {
      await within(things).get('a');
      throw refused;
    }),
    refused,
  );
  await store.close();
  await assert.rejects(things.get('a'), { code: 'STORE_CLOSED' });
  assert.deepEqual(outcomes, ['ok', 'ok', 'STORE_DUPLICATE', 'ok', 'ok', 'STORE_CLOSED']);
});

it('counts how long operations took that ended with ok: a slow database fails nothing here', async () => {
  const metrics = new Metrics();
  const store = openSqlite(':memory:', { onOutcome: storeMetrics(metrics) });
  const things = await store.collection<StoredDocument>('things');
  await things.insert({ id: 'a', revision: 1 });
  await assert.rejects(things.insert({ id: 'a', revision: 1 }), { code: 'STORE_DUPLICATE' });
  await store.close();
  const text = await metrics.text();
  const [, ok] = /^postern_documents_operations_total\{outcome="ok"\} (\d+)$/m.exec(text) ?? [];
  assert.ok(Number(ok) > 0);
  assert.ok(text.includes(`postern_documents_operation_duration_seconds_count ${ok}\n`));
});
