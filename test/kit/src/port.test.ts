import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { freePort } from './port.ts';

const count = 400;
const other = `
  const { freePort } = await import(${JSON.stringify(new URL('port.ts', import.meta.url).href)});
  const ports = await Promise.all(Array.from({ length: ${count} }, () => freePort()));
  process.stdout.write(JSON.stringify(ports) + '\\n');
  process.stdin.resume();
`;

test('a port is given once, and to one of two processes that run at a time', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', other], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let told = '';
  child.stdout.on('data', (text: Buffer) => (told += String(text)));
  while (!told.endsWith('\n')) await once(child.stdout, 'data');
  const theirs = JSON.parse(told) as number[];
  const own = await Promise.all(Array.from({ length: count }, () => freePort()));
  child.stdin.end();
  await once(child, 'exit');
  assert.equal(new Set([...theirs, ...own]).size, 2 * count);
});
