import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EdgeSettings } from '../config.ts';
import { program } from '../program.ts';
import { assertPortsDiffer, portsOfMachine, portsOfWorker } from './worker-ports.ts';

function settings(...argv: string[]): EdgeSettings {
  const resolution = program.resolve(['--nats-url', 'nats://bus', ...argv], {});
  assert(resolution.kind === 'run');
  return resolution.settings;
}

test('by default as many workers as there may be have ports that differ', () => {
  const given = settings('--workers', '64');
  const ports = Array.from({ length: 64 }, (_, index) => portsOfWorker(given, index + 1));
  const all = ports.flatMap(({ tunnelPort, linkPort, opsPort }) => [tunnelPort, linkPort, opsPort]);
  assert.equal(new Set([...all, given.opsPort, given.connectPort, given.httpPort]).size, 64 * 3 + 3);
  assertPortsDiffer(given);
});

test('a link port that would be an ops port is the free one below it, and so is what others are told', () => {
  const given = settings('--workers', '12', '--link-advertise-port', '19001');
  const linkOf = (worker: number): number[] => {
    const { linkPort, linkAdvertisePort } = portsOfWorker(given, worker);
    return [linkPort, linkAdvertisePort];
  };
  assert.deepEqual(
    [linkOf(1), linkOf(10), linkOf(11), linkOf(12)],
    [
      [9001, 19_001],
      [9091, 19_091],
      [9099, 19_099],
      [9109, 19_109],
    ],
  );
  const apart = settings('--workers', '12', '--listen-host', '10.0.0.5');
  assert.equal(portsOfWorker(apart, 11).linkPort, 9101);
});

for (const [text, ...argv] of [
  ['linkPort of worker 1 and tunnelPort of worker 2 would both be 9001', '--worker-port-step', '1'],
  ['opsPort of the supervisor and tunnelPort of worker 2 would both be 9010', '--ops-port', '9010'],
  ['connectPort and httpPort would both be 8443', '--connect-port', '8443', '--http-port', '8443'],
] as const) {
  test(`ports that repeat are refused by name: ${text}`, () => {
    const given = settings('--workers', '2', ...argv);
    assert.throws(() => assertPortsDiffer(given), { exitCode: 78, message: new RegExp(text) });
  });
}

test('a port may be there twice at addresses that differ, and free ones may be taken', () => {
  assertPortsDiffer(settings('--workers', '2', '--ops-port', '9010', '--listen-host', '10.0.0.5'));
  assertPortsDiffer(settings('--workers', '2', '--tunnel-port', '0', '--link-port', '0', '--ops-port', '0'));
});

test('the ports of the machine are those of all its processes where fronts listen too', () => {
  const ports = (...argv: string[]): number[] =>
    [...portsOfMachine(settings('--workers', '2', ...argv))].sort((a, b) => a - b);
  const shared = [80, 443];
  assert.deepEqual(ports(), [...shared, 9000, 9001, 9010, 9011, 9101, 9111, 9121]);
  assert.deepEqual(ports('--listen-host', '10.0.0.5'), [...shared, 9000, 9001, 9010, 9011]);
});
