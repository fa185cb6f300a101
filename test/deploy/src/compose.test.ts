// The compose files: whole for every way of starting them, wherever Docker's command line is. With POSTERN_TEST_DEPLOY=full
// and an engine that has the images (deploy/images, or stand-ins under the official names), the platform is started, a
// resource that only the client reaches is called through the static address, and containers are killed.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { timed, until } from './caller.ts';

const folder = fileURLToPath(new URL('../../../deploy/compose', import.meta.url));
const oneMember = fileURLToPath(new URL('../compose/one-member.yaml', import.meta.url));
const staticAddress = '10.89.7.100';
const stepMs = 300_000;

function docker(args: readonly string[], environment: NodeJS.ProcessEnv = {}, cwd = folder): string {
  return execFileSync('docker', args, {
    cwd,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: stepMs,
  });
}

function answers(args: readonly string[]): boolean {
  try {
    docker(args);
    return true;
  } catch {
    return false;
  }
}

const noCompose = answers(['compose', 'version']) ? false : 'SKIPPED: there is no docker compose';

for (const { name, args, environment } of [
  { name: 'the whole platform', args: [], environment: {} },
  { name: 'one of each', args: ['--env-file', 'single.env'], environment: {} },
  { name: 'with Prometheus and Grafana', args: [], environment: { COMPOSE_PROFILES: 'cluster,observe' } },
  { name: 'published', args: ['-f', 'compose.yaml', '-f', 'publish.yaml'], environment: {} },
  { name: 'a client', args: ['-f', 'client/compose.yaml'], environment: { POSTERN_GATEWAY: 'abc' } },
]) {
  test(`the compose files are whole: ${name}`, { skip: noCompose }, () => {
    docker(['compose', ...args, 'config', '--quiet'], environment);
  });
}

const notFull =
  process.env['POSTERN_TEST_DEPLOY'] !== 'full'
    ? 'SKIPPED: POSTERN_TEST_DEPLOY is not full'
    : noCompose !== false
      ? noCompose
      : answers([
            'image',
            'inspect',
            'postern/edge',
            'postern/balancer',
            'postern/setup',
            'mongo:8.0',
            'nats:2.15',
          ])
        ? false
        : 'SKIPPED: the engine does not have the images';

test(
  'with containers killed callers of the static address are served again',
  { skip: notFull },
  async (t) => {
    const platform = ['compose', '-f', 'compose.yaml', '-f', oneMember];
    const settings = { POSTERN_SETUP_MONGODB_HOSTS: 'mongodb-1', POSTERN_SETUP_REPLICA_SET: 'secantus' };
    const cli = (...args: string[]): string =>
      docker([...platform, 'run', '--rm', '-T', 'cli', '--json', ...args], settings);
    const site = ['compose', '--profile', 'sample'];
    const siteFolder = join(folder, 'client');
    const siteSettings: NodeJS.ProcessEnv = {
      POSTERN_CLIENT_NETWORK: 'postern_public',
      POSTERN_CLIENT_NETWORK_IS_OTHERS: 'true',
      POSTERN_GATEWAY: 'unknown',
    };
    t.after(() => {
      docker([...site, 'down', '--volumes'], siteSettings, siteFolder);
      docker([...platform, 'down', '--volumes'], settings);
      rmSync(join(siteFolder, 'secrets'), { recursive: true, force: true });
    });

    docker([...platform, 'up', '-d', '--wait'], settings);
    const { id } = JSON.parse(cli('gateways', 'create', 'office')) as { id: string };
    siteSettings['POSTERN_GATEWAY'] = id;
    const { token } = JSON.parse(cli('tokens', 'create', id)) as { token: string };
    cli('access-list', 'set', id, 'allow sample:8080');
    const { front } = JSON.parse(cli('destinations', 'create', id, 'sample', 'sample:8080')) as {
      front: { port: number };
    };
    const ca = docker(
      [...platform, 'run', '--rm', '-T', '--entrypoint', 'node', 'cli', '-p', readCa],
      settings,
    );
    mkdirSync(join(siteFolder, 'secrets'), { recursive: true });
    writeFileSync(join(siteFolder, 'secrets', 'token'), token);
    writeFileSync(join(siteFolder, 'secrets', 'ca.pem'), ca);
    docker([...site, 'up', '-d'], siteSettings, siteFolder);
    const served = (): Promise<boolean> => says(front.port, 'hello from the private network\n');
    await until('the sample is reached', 30_000, served);

    const control = ['nats-1', 'nats-2', 'nats-3', 'mongodb-1', 'router', 'acl', 'certstore', 'admin'];
    for (const { killed, withinMs } of [
      { killed: ['balancer-1'], withinMs: 5_000 },
      { killed: ['edge-1'], withinMs: 5_000 },
      { killed: ['nats-2'], withinMs: 2_000 },
      { killed: ['mongodb-1'], withinMs: 2_000 },
      { killed: control, withinMs: 2_000 },
    ]) {
      docker([...platform, 'kill', ...killed], settings);
      const ms = await timed(until(`a caller, with ${killed.join(', ')} killed`, withinMs, served));
      t.diagnostic(`${killed.join(', ')} killed: a caller was served after ${ms.toFixed(0)} ms`);
      docker([...platform, 'up', '-d', '--wait'], settings);
      await until('callers are served', 30_000, served);
    }
    const backup = backedUp([...platform, 'run', '--rm', '-T', 'cli'], settings);
    t.diagnostic(`a backup by stdout has ${backup.length} bytes and is whole`);
    assert.match(docker([...platform, 'logs', 'nats-1', 'nats-2', 'nats-3'], settings), /Server is ready/);
    assert.doesNotMatch(docker([...platform, 'logs', 'nats-1', 'nats-2', 'nats-3'], settings), /Violation/);

    docker([...site, 'down'], siteSettings, siteFolder);
    docker([...platform, 'down'], settings);
    docker([...platform, 'up', '-d', '--wait'], settings);
    docker([...site, 'up', '-d'], siteSettings, siteFolder);
    await until('callers are served after down and up', 60_000, served);
  },
);

/** Takes a backup as deploy/compose/README.md says, and has the command line look whether it is whole. */
function backedUp(cli: readonly string[], environment: NodeJS.ProcessEnv): Buffer {
  const options = { cwd: folder, env: { ...process.env, ...environment }, timeout: stepMs } as const;
  const bytes = execFileSync('docker', [...cli, 'backup', '-'], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  execFileSync('docker', [...cli, 'restore', '-', '--check'], { ...options, input: bytes, stdio: 'pipe' });
  return bytes;
}

const readCa = 'fs.readFileSync("/secrets/operator/ca.pem", "utf8")';

function says(port: number, words: string): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: staticAddress, port, agent: false, timeout: 2_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text === words));
      response.on('error', () => resolve(false));
    })
      .on('timeout', function (this: { destroy(): void }) {
        this.destroy();
        resolve(false);
      })
      .on('error', () => resolve(false));
  });
}
