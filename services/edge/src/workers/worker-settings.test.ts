import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EdgeSettings } from '../config.ts';
import { program } from '../program.ts';
import { settingsOfWorker } from './worker-settings.ts';

function settings(...argv: string[]): EdgeSettings {
  const resolution = program.resolve(['--nats-url', 'nats://bus', ...argv], {});
  assert(resolution.kind === 'run');
  return resolution.settings;
}

test('a node that is one process keeps its name and ports', () => {
  const one = settings('--name', 'edge-7', '--zone', 'a');
  assert.equal(settingsOfWorker(one, 1), one);
});

test('each worker is a node with ports of its own, in the failure domain of the machine', () => {
  const given = settings('--name', 'edge-7', '--workers', '3', '--link-advertise-port', '19001');
  const { name, zone, connectPort, tunnelPort, linkPort, linkAdvertisePort, opsPort } = settingsOfWorker(
    given,
    3,
  );
  assert.deepEqual(
    { name, zone, connectPort, tunnelPort, linkPort, linkAdvertisePort, opsPort },
    {
      name: 'edge-7-3',
      zone: 'edge-7',
      connectPort: 443,
      tunnelPort: 9020,
      linkPort: 9021,
      linkAdvertisePort: 19_021,
      opsPort: 9131,
    },
  );
  assert.equal(settingsOfWorker(settings('--workers', '2', '--zone', 'a'), 2).zone, 'a');
});

test('a port that is free to take is each worker’s own, and a port that balancers stand for stays', () => {
  const given = settings(
    '--workers',
    '2',
    '--tunnel-port',
    '0',
    '--ops-port',
    '0',
    '--advertise-port',
    '9000',
  );
  const { tunnelPort, opsPort, advertisePort } = settingsOfWorker(given, 2);
  assert.deepEqual(
    { tunnelPort, opsPort, advertisePort },
    { tunnelPort: 0, opsPort: 0, advertisePort: 9000 },
  );
});

for (const [why, worker, argv] of [
  ['there is no worker 3 of 2', 3, ['--workers', '2']],
  ['workers share the connect port', 1, ['--workers', '2', '--connect-port', '0']],
  ['workers share the HTTP port', 1, ['--workers', '2', '--http-port', '0']],
  ['too long', 1, ['--workers', '2', '--name', 'e'.repeat(62)]],
  ['tunnelPort of worker 2 would be 65540', 2, ['--workers', '2', '--tunnel-port', '65530']],
] as const) {
  test(`workers that cannot be are refused: ${why}`, () => {
    const given = settings(...argv);
    assert.throws(() => settingsOfWorker(given, worker), { exitCode: 78, message: new RegExp(why) });
  });
}

test('--check-config refuses what a start refuses', () => {
  const check = (...argv: string[]): unknown =>
    program.resolve(['--nats-url', 'nats://bus', '--check-config', ...argv], {});
  check('--workers', '2');
  for (const [argv, message] of [
    [['--workers', '2', '--connect-port', '0'], /^workers share the connect port/],
    [['--workers', '2', '--link-port', '9010'], /^ports must differ/],
    [['--workers', '2', '--worker', '3'], /^there is no worker 3 of 2/],
    [['--trusted-balancers', 'balancer-1'], /^the setting trustedBalancers has balancer-1/],
    [['--proxy-protocol-ports', '99999'], /^the setting proxyProtocolPorts has 99999/],
    [['--cloud-denied', '10.0.0.0/33'], /^the setting cloudDenied/],
  ] as const) {
    assert.throws(() => check(...argv), { code: 'CONFIG_INVALID', exitCode: 78, message });
  }
});
