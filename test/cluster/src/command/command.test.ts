import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { AdminClient } from '../admin/admin-client.ts';
import { takeLoopbackNet } from '../network/loopback-net.ts';
import type { ProcessEntry } from '../platform/cluster.ts';
import { startPart } from '../process/part.ts';
import { makeScratch } from '../process/scratch.ts';

const run = promisify(execFile);
const main = join(import.meta.dirname, '..', 'main.ts');

interface ClusterFile {
  adminUrl: string;
  apiKey: string;
  caFile: string;
  connectUrl: string;
  platformHost: string;
  processes: ProcessEntry[];
}

test('pnpm cluster writes its file and one line, starts a killed part again, and ends everything when told', async () => {
  const state = await makeScratch('command');
  const net = await takeLoopbackNet();
  net.release();
  const cluster = (...args: string[]) => run(process.execPath, [main, ...args, '--state', state]);
  await using part = await startPart({
    name: 'pnpm cluster',
    command: process.execPath,
    args: [main, '--', '--state', state, '--net', net.prefix],
    logFile: join(state, 'command.log'),
    ready: { line: /^ready$/ },
  }).catch((error: unknown) => assert.fail(String(error)));
  const path = join(state, 'cluster.json');
  const read = (): ClusterFile => JSON.parse(readFileSync(path, 'utf8')) as ClusterFile;
  assert.equal(statSync(path).mode & 0o777, 0o600);

  const file = read();
  const kinds = file.processes.map(({ kind }) => kind);
  assert.deepEqual(
    new Set(kinds),
    new Set(['edge', 'router', 'acl', 'certstore', 'admin', 'nats', 'mongodb']),
  );
  const edge = file.processes.find(({ name }) => name === 'edge-2');
  assert.equal(edge?.address, net.address(2));
  const admin = new AdminClient({ ...file, caPem: readFileSync(file.caFile, 'utf8') });
  assert.equal((await admin.nodes()).length, 2);
  admin.close();

  await assert.rejects(run(process.execPath, [main, '--state', state]), /runs on .* already/);
  await assert.rejects(cluster('restart', 'edge-9'), /no edge-9/);
  process.kill(edge.pid, 'SIGKILL');
  await cluster('restart', 'edge-2');
  const again = read().processes.find(({ name }) => name === 'edge-2');
  assert.notEqual(again?.pid, edge.pid);
  assert.deepEqual([again?.address, again?.opsUrl], [edge.address, edge.opsUrl]);

  await cluster('stop');
  assert.deepEqual(await part.exited, { code: 0, signal: null });
  assert.equal(existsSync(path), false);
  for (const { pid } of unchanged(file)) assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test('pnpm cluster ends at once at a second signal, though a part does not stop', async () => {
  const state = await makeScratch('command-twice');
  const net = await takeLoopbackNet();
  net.release();
  await using part = await startPart({
    name: 'pnpm cluster',
    command: process.execPath,
    args: [main, '--state', state, '--net', net.prefix, '--nodes', '1'],
    logFile: join(state, 'command.log'),
    ready: { line: /^ready$/ },
  });
  const path = join(state, 'cluster.json');
  const { processes } = JSON.parse(readFileSync(path, 'utf8')) as ClusterFile;
  const edge = processes.find(({ kind }) => kind === 'edge');
  assert(edge);
  // It would be killed after 20 s.
  process.kill(edge.pid, 'SIGSTOP');
  const asked = performance.now();
  part.kill('SIGTERM');
  part.kill('SIGINT');
  assert.deepEqual(await part.exited, { code: 0, signal: null });
  assert(performance.now() - asked < 15_000);
  assert.equal(existsSync(path), false);
});

/** All but the part whose pid is another by now. */
function unchanged(file: ClusterFile): ProcessEntry[] {
  return file.processes.filter(({ name }) => name !== 'edge-2');
}
