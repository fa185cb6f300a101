// The client where there is no tree: installed from its npm package into an empty folder with an empty cache, on the
// machine's own Node and run by npx, and as one executable in a folder where there is nothing else and no Node.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, open, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import {
  type ExchangeServer,
  type Platform,
  type ShownDestination,
  bootInProcess,
  exchange,
  frontAt,
  makeScratch,
  removeScratch,
  startExchangeServer,
  untilServed,
} from '@postern/test-cluster';

const rootFolder = join(import.meta.dirname, '../../..');
const run = promisify(execFile);
const patienceMs = 300_000;
const wanted = { sendBytes: 3_000_017, receiveBytes: 5_000_011, seed: 7 };
const elfMachines = { x64: 0x3e, arm64: 0xb7 } as const;

let folder: string;
let packages: string;
let platform: Platform;
let resource: ExchangeServer;
let gatewayId: string;
let token: string;
let destination: ShownDestination;

before(async () => {
  folder = await makeScratch('client-package');
  packages = join(folder, 'packages');
  const pack = join(rootFolder, 'scripts/src/client-package.ts');
  [resource, platform] = await Promise.all([
    startExchangeServer(),
    bootInProcess(),
    run(process.execPath, [pack, '--output', packages], { timeout: patienceMs }),
  ]);
  gatewayId = (await platform.admin.createGateway({ name: 'packed' })).id;
  token = (await platform.admin.createToken(gatewayId)).token;
  const { host, port } = resource;
  await platform.admin.putAccessList(gatewayId, [{ action: 'allow', host, port: String(port) }]);
  destination = await platform.admin.createDestination(gatewayId, { name: 'x', resource: { host, port } });
  await untilServed(platform, [destination]);
});
after(async () => {
  await platform?.stop();
  await resource?.stop();
  removeScratch(folder);
});

test('npm installs the package from its file alone, and npx runs it on the machine’s own Node', async (t) => {
  const home = join(folder, 'home');
  const project = join(folder, 'project');
  await mkdir(home);
  await mkdir(project);
  // How this machine reaches its registry is no cache.
  await copyFile(join(homedir(), '.npmrc'), join(home, '.npmrc')).catch(() => undefined);
  const env = strangersEnvironment(home);
  const options = { cwd: project, env, timeout: patienceMs };
  t.diagnostic(`Node ${(await run('node', ['--version'], options)).stdout.trim()}`);
  const file = join(packages, (await readdir(packages)).find((name) => name.endsWith('.tgz')) ?? '');
  await run('npm', ['install', '--no-audit', '--no-fund', file], options);
  const npx = (...args: string[]) => run('npx', ['postern-client', ...args], options);
  assert.match((await npx('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await npx('--help')).stdout, /^Usage: postern-client/);
  await assert.rejects(npx('--nope'), { code: 64 });
  // npx hands no signal on, so that one is ended by the platform; what npx starts takes them.
  const ended = (_child: ChildProcess, clientId: string) => platform.admin.endClient(gatewayId, clientId);
  await carry('npx', ['postern-client'], { cwd: project, env }, ended);
  await carry(join(project, 'node_modules/.bin/postern-client'), [], { cwd: project, env }, stopped);
});

test('the executable carries bytes from an empty folder, without Node and without anything else', async () => {
  const empty = join(folder, 'empty');
  await mkdir(empty);
  const file = join(empty, 'postern-client');
  await copyFile(join(packages, 'postern-client-linux-x64'), file);
  const options = { cwd: empty, env: { PATH: empty }, timeout: patienceMs };
  assert.match((await run(file, ['--version'], options)).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await run(file, ['--help'], options)).stdout, /^Usage: postern-client/);
  await assert.rejects(run(file, ['--nope'], options), { code: 64 });
  await carry(file, [], { cwd: empty, env: { PATH: empty } }, stopped);
});

test('there is an executable for each machine', async () => {
  for (const [name, machine] of Object.entries(elfMachines)) {
    const head = Buffer.alloc(20);
    await using file = await open(join(packages, `postern-client-linux-${name}`));
    await file.read(head, 0, head.length, 0);
    assert.equal(head.toString('latin1', 1, 4), 'ELF');
    assert.equal(head.readUInt16LE(18), machine);
  }
});

/** As a service manager does. */
async function stopped(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
}

/** Starts it, sends bytes through it both ways, and ends it, with 0. */
async function carry(
  command: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string | undefined>> },
  end: (child: ChildProcess, clientId: string) => Promise<void>,
): Promise<void> {
  const { connectUrl, caFile } = platform;
  const own = [gatewayId, '--connect', connectUrl, '--ca', caFile, '--state', join(cwd, 'state')];
  const child = spawn(command, [...args, ...own], {
    cwd,
    env: { ...env, POSTERN_TOKEN: token },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const connected = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const clientId = /^connected \S+ (\S+)$/m.exec(text)?.[1];
      if (clientId !== undefined) resolve(clientId);
    });
    void ended.then(() => reject(new Error(said)));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-20_000)));
  try {
    const clientId = await connected;
    const result = await exchange(frontAt(platform, destination), wanted);
    assert.equal(result.cause, null);
    await end(child, clientId);
    assert.equal(await ended, 0, said);
  } finally {
    child.kill('SIGKILL');
  }
}

/** Without what the package manager and this tree put before it. */
function strangersEnvironment(home: string): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|pnpm_|postern_|xdg_|node_options)/i.test(name),
  );
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const path = folders.filter((one) => !one.includes('node_modules')).join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path, HOME: home };
}
