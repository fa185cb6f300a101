import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { test } from 'node:test';

/** A worker that is never ready, as a program. */
const script = `
  import { tellSupervisor } from '${import.meta.resolve('./worker-channel.ts')}';
  tellSupervisor({ signal: new AbortController().signal, end: (code) => process.exit(code) }, () => ({
    ready: false,
    waitingFor: ['bus'],
  }));
  setInterval(() => {}, 1e6);
`;

test('a worker says its word each second, the same as before too, and ends when its supervisor is gone', async () => {
  const args = ['--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  const words: unknown[] = [];
  for await (const [word] of on(child, 'message')) if (words.push(word) === 3) break;
  assert.deepEqual(
    words,
    Array.from({ length: 3 }, () => ({ ready: false, waitingFor: ['bus'] })),
  );
  child.disconnect();
  assert.deepEqual(await exited, [0, null]);
});
