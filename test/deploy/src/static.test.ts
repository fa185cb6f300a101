// What is under deploy/, held against its own tools and the source, as far as this machine has the tools.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findCommand } from '@postern/scripts/install';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const deploy = join(root, 'deploy');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Runs a tool in a folder of deploy/; its words are the failure's. */
function run(
  command: string,
  args: readonly string[],
  folder = '',
  environment: NodeJS.ProcessEnv = {},
): string {
  return execFileSync(command, args, {
    cwd: join(deploy, folder),
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 60_000,
  });
}

function without(name: string): string | false {
  return findCommand(name) === null ? `SKIPPED: ${name} is not installed` : false;
}

test('the chart has the rules and dashboards of deploy/observe', () => {
  assert.equal(read('deploy/helm/postern/files/rules.yaml'), read('deploy/observe/rules/postern.yaml'));
  for (const file of globSync('deploy/observe/grafana/dashboards/*.json', { cwd: root })) {
    assert.equal(read(`deploy/helm/postern/files/dashboards/${file.split('/').at(-1)}`), read(file));
  }
});

test('each alert rule fires when it should, and not before', { skip: without('promtool') }, () => {
  run('promtool', ['test', 'rules', 'rules.test.yaml'], 'observe');
});

test('every image has a target in the bake file, and each target a program', () => {
  const targets = [...read('deploy/images/Dockerfile').matchAll(/^FROM runtime AS (\w+)$/gm)].map(
    ([, name = '']) => name,
  );
  const listed = /program = \[([^\]]*)\]/.exec(read('deploy/images/docker-bake.hcl'))?.[1] ?? '';
  assert.deepEqual(
    [...listed.matchAll(/"(\w+)"/g)].map(([, name = '']) => name).toSorted(),
    targets.toSorted(),
  );
  for (const name of targets) {
    assert(existsSync(join(root, 'services', name)) || existsSync(join(root, 'apps', name)), name);
  }
});

test('no file that is handed to containers holds a secret, and no service is given one by its environment', () => {
  const compose = read('deploy/compose/compose.yaml');
  for (const [, name] of compose.matchAll(
    /^\s*(POSTERN_[A-Z_]*(?:KEY|PASSWORD|TOKEN|SEED|MONGODB_URL)[A-Z_]*):/gm,
  )) {
    assert.match(name ?? '', /_FILE$/, `${name} is a secret in the environment`);
  }
});

test('systemd takes the units, and finds little exposed', { skip: without('systemd-analyze') }, (t) => {
  const units = globSync('systemd/*.service', { cwd: deploy });
  for (const unit of units) {
    const words = run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
    const exposure = Number(/Overall exposure level for [^:]*: ([0-9.]+)/.exec(words)?.[1] ?? 10);
    // keepalived changes the network's addresses as root; what is left to it is said in its unit.
    const most = unit.includes('balancer') ? 4 : 2;
    t.diagnostic(`${unit}: exposure ${exposure}`);
    assert(exposure <= most, `${unit} has an exposure of ${exposure}`);
  }
});
