/** One file belongs to one process: what cannot be shown within a single one. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { makeScratch, removeScratch } from '@postern/test-cluster';
import { openSqlite, type StoredDocument } from '@postern/store';

const library = JSON.stringify(import.meta.resolve('@postern/store'));

it('refuses the file of another process with STORE_LOCKED', async () => {
  const folder = await makeScratch('sqlite-lock');
  const file = join(folder, 'documents.db');
  const store = openSqlite(file);
  const program = `import { openSqlite } from ${library};
    try { await openSqlite(${JSON.stringify(file)}).close(); console.log('taken'); } catch (error) { console.log(error.code); }`;
  const other = async (): Promise<string> => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      program,
    ]);
    return stdout.trim();
  };
  assert.equal(await other(), 'STORE_LOCKED');
  await store.close();
  assert.equal(await other(), 'taken');
  removeScratch(folder);
});

it('keeps what was acknowledged when its process is killed, and the file is free', async () => {
  const folder = await makeScratch('sqlite-lock');
  const file = join(folder, 'documents.db');
  const program = `import { openSqlite } from ${library};
    const things = await openSqlite(${JSON.stringify(file)}).collection('things');
    await things.insert({ id: 'a', revision: 0 });
    console.log('acknowledged');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const store = openSqlite(file);
  const things = await store.collection<StoredDocument>('things');
  assert.deepEqual(await things.get('a'), { id: 'a', revision: 1 });
  await store.close();
  removeScratch(folder);
});
