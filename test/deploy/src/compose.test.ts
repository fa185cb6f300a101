// The compose files are whole for every way of starting them, wherever Docker's command line is.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { composeFolder, programs, succeeds } from './compose-platform.ts';

const skip = succeeds('docker', 'compose', 'version') ? false : 'SKIPPED: there is no docker compose';
const noGit = succeeds('git', 'rev-parse', 'HEAD') ? false : 'SKIPPED: this is no clone of git';

for (const { name, args, environment } of [
  { name: 'the whole platform', args: [], environment: {} },
  { name: 'one of each', args: ['--env-file', 'single.env'], environment: {} },
  { name: 'with Prometheus and Grafana', args: [], environment: { COMPOSE_PROFILES: 'observe' } },
  { name: 'published', args: ['-f', 'compose.yaml', '-f', 'publish.yaml'], environment: {} },
  { name: 'a client', args: ['-f', 'client/compose.yaml'], environment: { POSTERN_GATEWAY: 'abc' } },
]) {
  test(`the compose files are whole: ${name}`, { skip }, () => {
    execFileSync('docker', ['compose', ...args, 'config', '--quiet'], {
      cwd: composeFolder,
      env: { ...process.env, ...environment },
      stdio: 'pipe',
      timeout: 60_000,
    });
  });
}

test('the whole platform is what is started, unless single.env says otherwise', { skip }, () => {
  const absent = (...args: readonly string[]): string[] => {
    const text = execFileSync('docker', ['compose', ...args, 'config', '--format', 'json'], {
      cwd: composeFolder,
      encoding: 'utf8',
      env: { ...process.env, COMPOSE_PROFILES: '' },
      timeout: 60_000,
    });
    const { services } = JSON.parse(text) as { services: Record<string, { scale?: number }> };
    return Object.keys(services).filter((name) => services[name]?.scale === 0);
  };
  assert.deepEqual(absent('--env-file', '/dev/null'), []);
  const others = ['balancer-2', 'edge-2', 'mongodb-2', 'mongodb-3', 'nats-2', 'nats-3'];
  assert.deepEqual(absent('--env-file', 'single.env').toSorted(), others);
});

test('what an operator writes into .env is no change of the tree', { skip: noGit }, () => {
  for (const folder of [composeFolder, join(composeFolder, 'client')])
    assert(succeeds('git', 'check-ignore', '--quiet', join(folder, '.env')), folder);
});

for (const page of ['README.md', '../../README.md']) {
  test(
    `the images that ${page} has built are all that the platform runs, its command line's too`,
    { skip },
    () => {
      const text = readFileSync(join(composeFolder, page), 'utf8');
      const commands = [...text.matchAll(/^ {4}docker (compose .*?)\bbuild\b/gm)].map(
        ([, args = '']) => args,
      );
      assert(commands.length > 0);
      for (const args of commands) {
        const images = execFileSync('docker', [...args.trim().split(' '), 'config', '--images'], {
          cwd: composeFolder,
          encoding: 'utf8',
          timeout: 60_000,
        });
        const built = new Set(images.split('\n'));
        // The client has a file of its own, since it runs elsewhere.
        for (const name of programs.filter((one) => one !== 'client'))
          assert(built.has(`postern/${name}:latest`), `docker ${args}build: ${name}`);
      }
    },
  );
}

test('no command of the page chooses files for itself alone, which the next `up` would take back', () => {
  const page = readFileSync(join(composeFolder, 'README.md'), 'utf8');
  assert.doesNotMatch(page, /^ {4}.*docker compose (-f|--file|--env-file) /m);
});
