// Certificates as a shell has them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { answerAll, certificatePem } from './api.fixture.ts';

test('a generated pair that the disk has no room for is told by its ID, and half of it is not left behind', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-cli-pair-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const base64 = Buffer.alloc(1024 * 1024).toString('base64');
  const { url } = await answerAll(t, (_, response) => {
    response.end(JSON.stringify({ id: 'pair7', name: 'till', download: { base64 } }));
  });
  const given = ['key', 'ca.pem'];
  const [keyFile = '', caFile = ''] = given.map((name) => join(folder, name));
  writeFileSync(keyFile, 'key');
  writeFileSync(caFile, certificatePem);
  const platform = ['--url', url.href, '--key-file', keyFile, '--ca', caFile];
  const generate = ['certificates', 'generate', 'till', '--usage', 'client', '--subject', 'till 7'];
  const own = [...platform, ...generate, '--out', join(folder, 'till.zip')];
  // A bound on the size of files, which is as a disk that is full but asks for none.
  const shell = ['-c', 'ulimit -f 512; exec "$@"', 'sh'];
  const child = spawn('sh', [...shell, process.execPath, join(import.meta.dirname, 'main.ts'), ...own], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, shown, [exitCode]] = await Promise.all([
    text(child.stderr),
    text(child.stdout),
    once(child, 'exit'),
  ]);
  assert.match(said, /^postern: CLI_ARGUMENT_INVALID: [^\n]*till\.zip cannot be written: EFBIG[^\n]*pair7/);
  assert.doesNotMatch(said, / at /);
  assert.deepEqual([shown, exitCode, readdirSync(folder).toSorted()], ['', 64, given.toSorted()]);
});
