// One of each of deploy/compose (single.env), published by the host's own address (publish.yaml): another machine, here a
// network of its own behind a cable, calls a front, and the API is on the host's loopback alone. On a Docker engine, with
// POSTERN_TEST_DEPLOY=full and the images (deploy/images).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findCommand } from '@postern/scripts/install';
import { freePort } from '@postern/test-kit';
import { until } from './caller.ts';
import { ComposePlatform, composeFolder, missingForPlatform } from './compose-platform.ts';
import { PrivateSite, answer, hello } from './compose-site.ts';

const missing =
  missingForPlatform() ??
  (findCommand('ip') === null || process.getuid?.() !== 0 ? 'a network of its own needs root and ip' : null);
const skip = missing === null ? false : `SKIPPED: ${missing}`;

const machine = 'postern-away';
// Of neither of the platform's own networks.
const hostAddress = '10.89.6.1';
const machineAddress = '10.89.6.2';

let scratch: string;
let platform: ComposePlatform;
let site: PrivateSite;
let port: number;
let apiPort: number;

before(async () => {
  if (skip !== false) return;
  scratch = mkdtempSync(join(tmpdir(), 'postern-single-'));
  plugIn();
  apiPort = await freePort();
  platform = new ComposePlatform(scratch, {
    files: ['publish.yaml'],
    environment: {
      COMPOSE_ENV_FILES: join(composeFolder, 'single.env'),
      POSTERN_BIND: hostAddress,
      POSTERN_PUBLIC_ADDRESS: hostAddress,
      POSTERN_API_PORT: String(apiPort),
    },
  });
  platform.use('latest');
  await platform.compose('up', '-d', '--wait');
  site = await PrivateSite.make(platform, ['allow sample:8080']);
  port = await site.destination('sample', 'sample:8080');
  await site.compose('up', '-d');
  await until('the sample is reached', 60_000, async () => (await answer(port)) === hello);
});
after(async () => {
  await site?.remove();
  await platform?.compose('down', '--volumes');
  if (skip !== false) return;
  ip(`netns delete ${machine}`);
  rmSync(scratch, { recursive: true });
});

test('there is one of each', { skip }, async () => {
  const running = (await platform.compose('ps', '--services')).trim().split('\n').toSorted();
  const parts = ['acl', 'admin', 'balancer-1', 'certstore', 'edge-1', 'mongodb-1', 'nats-1', 'router'];
  assert.deepEqual(running, parts);
});

test('another machine calls a front at the host’s address', { skip }, () => {
  const script = `fetch('http://${hostAddress}:${port}/').then(async (got) => process.stdout.write(await got.text()))`;
  assert.equal(onMachine(script), hello);
});

test(
  'a client on another machine believes the platform at the host’s address, and is sent there for its tunnels',
  { skip },
  async () => {
    const file = join(scratch, 'ca.pem');
    writeFileSync(file, await platformCa());
    for (const where of [443, 9000]) {
      const script = `const socket = tls.connect({ host: '${hostAddress}', port: ${where}, ca: fs.readFileSync('${file}') }, () => {
      console.log(socket.authorized);
      socket.destroy();
    })`;
      assert.equal(onMachine(script).trim(), 'true', String(where));
    }
    const script = 'process.env.POSTERN_EDGE_ADVERTISE_HOST';
    const told = await platform.compose('exec', '-T', 'edge-1', 'node', '-p', script);
    assert.equal(told.trim(), hostAddress);
  },
);

test('the API is on the host’s loopback, and on no address that others reach', { skip }, async () => {
  const ca = await platformCa();
  const status = await new Promise((resolve, reject) => {
    request(
      { host: '127.0.0.1', port: apiPort, path: '/api/v1/gateways', ca, servername: 'admin' },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    )
      .on('error', reject)
      .end();
  });
  assert.equal(status, 401);
  const script = `net.connect(${apiPort}, '${hostAddress}').on('error', ({ code }) => console.log(code)).on('connect', () => process.exit())`;
  assert.equal(onMachine(script).trim(), 'ECONNREFUSED');
});

function platformCa(): Promise<string> {
  return platform.inside('cli', 'process.stdout.write(fs.readFileSync("/secrets/operator/ca.pem"))');
}

function plugIn(): void {
  ip(`netns add ${machine}`);
  ip(`link add ${machine} type veth peer name eth0 netns ${machine}`);
  ip(`addr add ${hostAddress}/30 dev ${machine}`);
  ip(`link set ${machine} up`);
  ip(`-n ${machine} addr add ${machineAddress}/30 dev eth0`);
  ip(`-n ${machine} link set eth0 up`);
}

/** What a script says there. */
function onMachine(script: string): string {
  const command = ['netns', 'exec', machine, process.execPath, '-e', script];
  return execFileSync('ip', command, { encoding: 'utf8', timeout: 30_000 });
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}
