import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { program } from '../program.ts';
import { Supervisor } from './supervisor.ts';

/** A supervisor whose workers do what the script says. */
function supervisor(script: string): Supervisor {
  const resolution = program.resolve(['--nats-url', 'nats://bus', '--workers', '2'], {});
  assert(resolution.kind === 'run');
  return new Supervisor({
    settings: resolution.settings,
    command: [process.execPath, '-e', script, '--'],
    ending: { end: () => {}, signal: new AbortController().signal },
    logger: silentLogger,
  });
}

test('workers that are told to stop before they have loaded end in order', async () => {
  const workers = supervisor('setInterval(() => {}, 1_000)');
  await workers.start();
  await workers.stop();
});

test('a worker that fails while it stops makes the stop fail', async () => {
  const workers = supervisor(`
    process.on('SIGTERM', () => process.exit(70));
    process.send({ ready: true, waitingFor: [] });
    setInterval(() => {}, 1_000);`);
  await workers.start();
  while (workers.counts.ready < 2) await new Promise(setImmediate);
  await assert.rejects(workers.stop(), { message: '2 of 2 workers did not end in order' });
});
