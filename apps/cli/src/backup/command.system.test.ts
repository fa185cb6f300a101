// Backups as a shell has them.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type HeldBackupPart, backupRooms } from '@postern/contracts';
import { answerAll, certificatePem } from '../api.fixture.ts';

const main = join(import.meta.dirname, '../main.ts');
const pieceBytes = 192 * 1024;

/** A platform whose backup has two pieces a part, and of which only the first is given unless `whole`. */
async function platform(
  t: TestContext,
  { whole }: { whole: boolean },
): Promise<{ run: (file: string, shell?: string) => ChildProcess; folder: string; waiting: Promise<void> }> {
  const home = mkdtempSync(join(tmpdir(), 'postern-cli-backup-'));
  const folder = join(home, 'temporary');
  mkdirSync(folder);
  t.after(() => rmSync(home, { recursive: true }));
  const parts = backupRooms.map((room): HeldBackupPart => ({
    room,
    bytes: 2 * pieceBytes,
    sha256: '0'.repeat(64),
    documents: 1,
    keyIds: [],
    handle: 'a.b',
  }));
  const { promise: waiting, resolve: wait } = Promise.withResolvers<void>();
  const data = Buffer.alloc(pieceBytes, 'x').toString('base64');
  const { url } = await answerAll(t, (request, response) => {
    const first = request.url?.endsWith('offset=0') === true;
    if (request.method === 'POST') response.end(JSON.stringify({ version: '1', madeAt: 'now', parts }));
    else if (first) response.end(JSON.stringify({ data, nextOffset: pieceBytes }));
    else if (whole) response.end(JSON.stringify({ data, nextOffset: null }));
    else wait();
  });
  const [keyFile, caFile] = [join(home, 'key'), join(home, 'ca.pem')];
  writeFileSync(keyFile, 'key');
  writeFileSync(caFile, certificatePem);
  const run = (file: string, shell = 'exec "$@"'): ChildProcess => {
    const own = ['--url', url.href, '--key-file', keyFile, '--ca', caFile, 'backup', file];
    const child = spawn('sh', ['-c', shell, 'sh', process.execPath, main, ...own], {
      env: { PATH: process.env['PATH'] ?? '', TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  return { run, folder, waiting };
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`a backup that is broken off by ${signal} leaves nothing behind and ends with ${exitCode}`, async (t) => {
    for (const toStdout of [false, true]) {
      const { run, folder, waiting } = await platform(t, { whole: false });
      const child = run(toStdout ? '-' : join(folder, 'night'));
      await waiting;
      assert.equal(readdirSync(folder).length, 1);
      child.kill(signal);
      assert.deepEqual(await once(child, 'exit'), [exitCode, null]);
      assert.deepEqual(readdirSync(folder), []);
    }
  });
}

test('a backup that the disk has no room for is refused with a line and what to do, and leaves nothing behind', async (t) => {
  const { run, folder } = await platform(t, { whole: true });
  // A bound on the size of files, which is as a disk that is full but asks for none.
  const child = run(join(folder, 'night'), 'ulimit -f 512; exec "$@"');
  assert(child.stderr !== null);
  const [said, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  assert.match(said, /^postern: CLI_BACKUP_UNUSABLE: [^\n]*night: EFBIG[^\n]*\n {2}what to do: [^\n]*\n$/m);
  assert.doesNotMatch(said, / at /);
  assert.equal(exitCode, 64);
  assert.deepEqual(readdirSync(folder), []);
});
