import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { program } from '../program.ts';
import { Supervisor } from './supervisor.ts';

/** A supervisor of two workers that are not started. */
function supervisor(...argv: string[]): Supervisor {
  const resolution = program.resolve(['--nats-url', 'nats://bus', '--workers', '2', ...argv], {});
  assert(resolution.kind === 'run');
  return new Supervisor({
    settings: resolution.settings,
    command: [process.execPath],
    ending: { end: () => {}, signal: AbortSignal.abort() },
    logger: silentLogger,
  });
}

test('a supervisor starts nothing where ports of its workers repeat, and says which', () => {
  assert.throws(() => supervisor('--link-port', '9010'), {
    exitCode: 78,
    message: 'ports must differ: linkPort of worker 1 and tunnelPort of worker 2 would both be 9010',
  });
});
