import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('service.ts', import.meta.url));

function run(...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...argv], { encoding: 'utf8' });
}

test('pnpm service shows its help when asked for it, and without a name it is bad usage', () => {
  const asked = run('--help');
  assert.deepEqual([asked.status, asked.stderr], [0, '']);
  assert.match(asked.stdout, /^Usage: pnpm service NAME/);
  for (const argv of [[], ['--']]) {
    const { status, stdout, stderr } = run(...argv);
    assert.deepEqual([status, stdout, stderr], [64, '', asked.stdout]);
  }
});
