import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('log-reader.fixture.ts', import.meta.url));

test('a reader of the log that stands still does not stop the program, and has every line when it goes on', async (t) => {
  const child = spawn(process.execPath, [program], { stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data', { signal: AbortSignal.timeout(30_000) });
  const log = text(child.stderr);
  child.stdin.end('end');
  const numbers = (await log)
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { line: number }).line);
  assert.deepEqual(
    numbers,
    Array.from({ length: 900 }, (_, line) => line),
  );
});
