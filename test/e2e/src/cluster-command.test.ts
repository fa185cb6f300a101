// `pnpm cluster` as scripts use it: what it writes, what it starts again and what not, and that nothing outlives it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import {
  AdminClient,
  type Part,
  type ProcessEntry,
  makeScratch,
  removeScratch,
  startPart,
  takeLoopbackNet,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';

const main = join(import.meta.dirname, '..', '..', 'cluster', 'src', 'main.ts');

interface ClusterFile {
  readonly adminUrl: string;
  readonly apiKey: string;
  readonly caFile: string;
  readonly connectUrl: string;
  readonly platformHost: string;
  readonly processes: readonly ProcessEntry[];
}

let state: string;
let path: string;
let net: string;
before(async () => {
  state = await makeScratch('cluster-command');
  path = join(state, 'cluster.json');
  const free = await takeLoopbackNet();
  net = free.prefix;
  free.release();
});
after(() => removeScratch(state));

test('it says where everything is, starts again only what it is told to, and ends everything when told', async () => {
  await using part = await start('--nodes', '3', '--nats', '2', '--workers', '1');
  const file = read();
  const fields = ['adminUrl', 'apiKey', 'caFile', 'connectUrl', 'platformHost', 'processes'];
  assert.deepEqual(Object.keys(file).toSorted(), fields);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const names = [
    'acl',
    'admin',
    'certstore',
    'edge-1',
    'edge-2',
    'edge-3',
    'mongodb',
    'nats-1',
    'nats-2',
    'router',
  ];
  assert.deepEqual(file.processes.map(({ name }) => name).toSorted(), names);
  for (const { name, pid, kind, address, opsUrl } of file.processes) {
    assert.ok(isRunning(pid), name);
    assert.equal(name.split('-')[0], kind);
    if (kind === 'edge') assert.equal(address, `${net}.${name.split('-')[1]}`);
    if (opsUrl !== null) assert.equal((await fetch(new URL('/healthz', opsUrl))).status, 200, name);
  }

  await assert.rejects(start(), /runs on .* already/);
  await assert.rejects(cluster('restart', 'edge-9'), /no edge-9/);

  const admin = adminOf(file);
  assert.equal((await admin.nodes()).length, 3);
  const gateway = await admin.createGateway({ name: 'kept' });
  const [mongodb, router] = [entry(file, 'mongodb'), entry(file, 'router')];
  process.kill(mongodb.pid, 'SIGKILL');
  process.kill(router.pid, 'SIGKILL');
  await until(
    () => isRunning(mongodb.pid) || isRunning(router.pid),
    (running) => !running,
  );
  await cluster('restart', 'mongodb');
  assert.notEqual(entry(read(), 'mongodb').pid, mongodb.pid);
  assert.equal(entry(read(), 'router').pid, router.pid, 'it starts nothing again by itself');
  await cluster('restart', 'router');
  const again = entry(read(), 'router');
  assert.deepEqual([again.address, again.opsUrl], [router.address, router.opsUrl]);
  await until(
    () => nameOf(admin, gateway.id),
    (name) => name === 'kept',
  );
  admin.close();

  const last = read();
  await cluster('stop');
  assert.deepEqual(await part.exited, { code: 0, signal: null });
  assert.equal(existsSync(path), false);
  for (const { name, pid } of last.processes) assert.ok(!isRunning(pid), `${name} outlived it`);
  const said = readFileSync(part.output.path, 'utf8')
    .split('\n')
    .filter((line) => line === 'ready');
  assert.deepEqual(said, ['ready']);
});

test('it finds everything again in its folder, and kill -9 of it leaves nothing behind', async () => {
  await using part = await start('--nodes', '1');
  const file = read();
  const admin = adminOf(file);
  const { items } = await admin.call<{ items: { name: string }[] }>('GET', '/gateways');
  assert.deepEqual(
    items.map(({ name }) => name),
    ['kept'],
  );
  admin.close();
  // The command alone, not its group: what it started has to notice by itself.
  process.kill(part.pid, 'SIGKILL');
  await part.exited;
  await until(
    () => file.processes.filter(({ pid }) => isRunning(pid)).map(({ name }) => name),
    (left) => left.length === 0,
  );
});

test('it ends at once at a second signal, though a part does not stop', async () => {
  await using part = await start('--nodes', '1');
  // It would be killed after 20 s.
  process.kill(entry(read(), 'edge-1').pid, 'SIGSTOP');
  const asked = performance.now();
  part.kill('SIGTERM');
  part.kill('SIGINT');
  assert.deepEqual(await part.exited, { code: 0, signal: null });
  assert.ok(performance.now() - asked < 15_000);
  assert.equal(existsSync(path), false);
});

function start(...args: readonly string[]): Promise<Part> {
  return startPart({
    name: 'pnpm cluster',
    command: process.execPath,
    // As npm scripts pass on what stands behind their own dashes.
    args: [main, '--', '--state', state, '--net', net, ...args],
    logFile: join(state, 'command.log'),
    ready: { line: /^ready$/ },
    readyWithinMs: 120_000,
  });
}

function cluster(...args: string[]): Promise<unknown> {
  return promisify(execFile)(process.execPath, [main, ...args, '--state', state]);
}

function read(): ClusterFile {
  return JSON.parse(readFileSync(path, 'utf8')) as ClusterFile;
}

function entry(file: ClusterFile, name: string): ProcessEntry {
  const found = file.processes.find((one) => one.name === name);
  assert(found, `there is no ${name}`);
  return found;
}

function adminOf(file: ClusterFile): AdminClient {
  return new AdminClient({ ...file, caPem: readFileSync(file.caFile, 'utf8') });
}

/** The gateway's name, or why there is no answer. */
async function nameOf(admin: AdminClient, id: string): Promise<string> {
  return admin.gateway(id).then(
    ({ name }) => name,
    (error: unknown) => String(error),
  );
}

/** A process whose parent died may stay listed as a zombie, where nobody collects it. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
