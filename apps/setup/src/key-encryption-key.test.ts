import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { program } from './config.ts';
import { keyEncryptionKey } from './key-encryption-key.ts';

test('a key is imported into an empty folder, and takes the place of none', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-setup-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const resolution = program.resolve(['import-key', '--folder', folder], {});
  assert(resolution.kind === 'run');
  const key = keyEncryptionKey(resolution.settings);
  assert.throws(() => key.import(' \n'), { code: 'SETUP_KEY_REFUSED' });
  assert.throws(() => key.import('this is not a key'), { code: 'SETUP_KEY_REFUSED' });
  const former = `${randomBytes(32).toString('base64')}\n${randomBytes(32).toString('base64')}`;
  key.import(former);
  assert.equal(key.read(), former);
  assert.equal(statSync(join(folder, 'certstore', 'key-encryption-key')).mode & 0o777, 0o400);
  const other = randomBytes(32).toString('base64');
  assert.throws(() => key.import(other), { code: 'SETUP_KEY_REFUSED', message: /already/ });
  assert.equal(key.read(), former);
});
