import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { backupRooms } from '@postern/contracts';
import { openBackup, writeBackup } from './file.ts';

/** One whose parts have so many bytes each. */
function backupOf(bytes: number) {
  const parts = backupRooms.map((room) => ({
    room,
    bytes,
    sha256: '0'.repeat(64),
    documents: 1,
    keyIds: [],
  }));
  async function* pieces(): AsyncGenerator<Buffer> {
    for (const _ of backupRooms) {
      await new Promise((resolve) => setImmediate(resolve));
      yield Buffer.alloc(bytes, 1);
    }
  }
  return { head: { madeAt: 'now', platformVersion: '0.1.0', parts }, pieces: pieces() };
}

it('is whole when two are written to one place at once, and nothing beside it is touched', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-backup-file-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'night');
  writeFileSync(`${path}.part`, 'precious');
  const [large, small] = [backupOf(200_000), backupOf(100)];
  await Promise.all([
    writeBackup(path, large.head, large.pieces, true),
    writeBackup(path, small.head, small.pieces, true),
  ]);
  await (await openBackup(path)).close();
  assert.equal(readFileSync(`${path}.part`, 'utf8'), 'precious');
  assert.deepEqual(readdirSync(folder).sort(), ['night', 'night.part']);
});

it('is refused where an editor changed its line ends, and that is said', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-backup-file-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'night');
  const { head, pieces } = backupOf(100);
  await writeBackup(path, head, pieces, false);
  writeFileSync(path, readFileSync(path, 'latin1').replaceAll('\n', '\r\n'), 'latin1');
  const message = /its lines end as on Windows: an editor, or a transfer as text, changed it/;
  await assert.rejects(openBackup(path), { code: 'CLI_BACKUP_DAMAGED', message });
  writeFileSync(path, 'notes\r\n');
  await assert.rejects(openBackup(path), { message: /does not begin as a backup/ });
});
