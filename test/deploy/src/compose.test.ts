// The compose files are whole for every way of starting them, wherever Docker's command line is.

import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { composeFolder, succeeds } from './compose-platform.ts';

const skip = succeeds('docker', 'compose', 'version') ? false : 'SKIPPED: there is no docker compose';

for (const { name, args, environment } of [
  { name: 'the whole platform', args: [], environment: {} },
  { name: 'one of each', args: ['--env-file', 'single.env'], environment: {} },
  { name: 'with Prometheus and Grafana', args: [], environment: { COMPOSE_PROFILES: 'cluster,observe' } },
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
