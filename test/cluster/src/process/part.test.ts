import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startPart } from './part.ts';
import { makeScratch } from './scratch.ts';

const sleeper = `console.log('up', process.pid); setInterval(() => {}, 1e6)`;

async function options(script: string) {
  const folder = await makeScratch('part');
  return {
    name: 'sleeper',
    command: process.execPath,
    args: ['-e', script],
    logFile: join(folder, 'log'),
    ready: { line: /^up/ },
  };
}

test('a part is ready when it wrote its line, and has another pid after it was killed and started again', async () => {
  await using part = await startPart(await options(sleeper));
  const first = part.pid;
  assert.equal(part.readyLine, `up ${first}`);
  part.kill('SIGKILL');
  assert.equal((await part.exited).signal, 'SIGKILL');
  await part.start();
  assert.notEqual(part.pid, first);
});

test('a part that ends before it is ready is refused with the last lines of its log', async () => {
  await assert.rejects(
    startPart(await options(`console.error('no such port'); process.exit(3)`)),
    /code 3[^]*no such port/,
  );
});

test('settings of the one who runs the tests do not reach a part', async () => {
  process.env['POSTERN_NATS_URL'] = 'nats://elsewhere';
  await using part = await startPart(
    await options(`console.log('up', process.env.POSTERN_NATS_URL); ${sleeper}`),
  );
  delete process.env['POSTERN_NATS_URL'];
  assert.equal(part.readyLine, 'up undefined');
});

test('what a harness started ends with it, kill -9 of the harness included', async () => {
  const script = `
    import { startPart } from ${JSON.stringify(join(import.meta.dirname, 'part.ts'))};
    const part = await startPart(${JSON.stringify(await options(''))
      .replace('"args":["-e",""]', `"args":["-e",${JSON.stringify(sleeper)}]`)
      .replace('"ready":{"line":{}}', '"ready":{"line":/^up/}')});
    console.log(part.pid);
    setInterval(() => {}, 1e6);`;
  const harness = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(harness.stdout, 'data')) as [Buffer];
  const pid = Number(String(line));
  assert.doesNotThrow(() => process.kill(pid, 0));
  harness.kill('SIGKILL');
  await once(harness, 'exit');
  while (isRunning(pid)) await new Promise(setImmediate);
});

/** A process whose parent died may stay listed as a zombie, where nobody collects it. */
function isRunning(pid: number): boolean {
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '');
    return state !== 'Z';
  } catch {
    return false;
  }
}
