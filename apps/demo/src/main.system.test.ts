import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const main = join(import.meta.dirname, 'main.ts');

/** Asks it to stop as soon as it has begun; what it ended with, and what it said. */
async function stopAtOnce(...args: string[]): Promise<{ code: number; told: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const told = text(child.stderr);
  child.stdout.once('data', () => child.kill('SIGINT')).resume();
  const [code] = (await once(child, 'close')) as [number];
  return { code, told: await told };
}

test('a demo that is asked to stop ends with 0; one that was to check ends with 1 and says why, since nothing was checked', async () => {
  assert.deepEqual(await stopAtOnce(), { code: 0, told: '' });
  const { code, told } = await stopAtOnce('--once');
  assert.equal(code, 1);
  assert.match(told, /DEMO_CHECK_FAILED: SIGINT came before all was tried/);
});
