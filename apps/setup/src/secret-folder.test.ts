import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SecretFolder } from './secret-folder.ts';

test('a secret is its reader’s alone, whatever a run that was broken off left', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'postern-setup-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = new SecretFolder(root, 'edge', process.getuid?.() ?? 0);
  writeFileSync(join(folder.path, 'nats.seed.new'), 'half', { mode: 0o644 });
  assert.equal(
    folder.keep('nats.seed', () => 'whole'),
    'whole',
  );
  const file = join(folder.path, 'nats.seed');
  assert.equal(statSync(file).mode & 0o777, 0o400);
  assert.equal(readFileSync(file, 'utf8'), 'whole');
});
