import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { ExitCode } from '@postern/config';
import { ExitError } from './exit-error.ts';
import { Life } from './life.ts';
import { silentLogger } from './logger.ts';
import type { Service } from './service.ts';

function recordingPart(name: string, log: string[], override: Partial<Service> = {}): Service {
  return {
    name,
    start: async () => void log.push(`start ${name}`),
    stop: async () => void log.push(`stop ${name}`),
    ready: () => ({ ready: true, waitingFor: [] }),
    status: () => null,
    ...override,
  };
}

test('parts start in order and stop in reverse', async () => {
  const log: string[] = [];
  const life = new Life({ logger: silentLogger });
  const ended = life.run([recordingPart('a', log), recordingPart('b', log)], () =>
    life.end(ExitCode.ok, 'test'),
  );
  assert.equal(await ended, ExitCode.ok);
  assert.deepEqual(log, ['start a', 'start b', 'stop b', 'stop a']);
  assert.equal(life.state, 'ended');
});

test('the first who asks for the end decides the exit code', async () => {
  const life = new Life({ logger: silentLogger });
  const ended = life.run([], () => {
    life.end(ExitCode.refused, 'token');
    life.end(ExitCode.ok, 'SIGTERM');
  });
  assert.equal(await ended, ExitCode.refused);
});

test('a part that cannot start ends the life with its code and stops what was started', async () => {
  const log: string[] = [];
  const life = new Life({ logger: silentLogger });
  const failing = recordingPart('b', log, {
    start: () => Promise.reject(new ExitError(ExitCode.unavailable, 'no bus')),
  });
  assert.equal(
    await life.run([recordingPart('a', log), failing, recordingPart('c', log)]),
    ExitCode.unavailable,
  );
  assert.deepEqual(log, ['start a', 'stop b', 'stop a']);
});

test('a part that fails to start for no known reason is an internal error', async () => {
  const life = new Life({ logger: silentLogger });
  const failing = recordingPart('a', [], { start: () => Promise.reject(new Error('x')) });
  assert.equal(await life.run([failing]), ExitCode.internal);
});

test('a part that is refused, or was given settings that are none, says so by its exit code', async () => {
  for (const [code, exitCode] of [
    ['BUS_DENIED', 77],
    ['STORE_REFUSED', 77],
    ['BUS_SETTINGS_INVALID', 78],
    ['STORE_SETTINGS_INVALID', 78],
    ['STORE_DOCUMENT_NEWER', 78],
    ['STORE_UNREACHABLE', 70],
  ] as const) {
    const life = new Life({ logger: silentLogger });
    const start = (): Promise<void> => Promise.reject(Object.assign(new Error('x'), { code }));
    assert.equal(await life.run([recordingPart('a', [], { start })]), exitCode, code);
  }
});

test('an end asked for while a part is starting does not wait for it', async () => {
  const life = new Life({ logger: silentLogger });
  const log: string[] = [];
  const hanging = recordingPart('a', log, { start: () => new Promise(() => {}) });
  const ended = life.run([hanging]);
  assert.deepEqual(life.ready(), { ready: false, waitingFor: ['starting'] });
  life.end(ExitCode.ok, 'SIGINT');
  assert.equal(await ended, ExitCode.ok);
  assert.deepEqual(log, ['stop a']);
});

test('a part that never stops is given up at the bound, with an internal error', async () => {
  const life = new Life({ logger: silentLogger, stopTimeoutMs: 5 });
  const hanging = recordingPart('a', [], { stop: () => new Promise(() => {}) });
  assert.equal(await life.run([hanging], () => life.end(ExitCode.ok, 'test')), ExitCode.internal);
});

test('a part that fails to stop does not keep the others from stopping', async () => {
  const log: string[] = [];
  const life = new Life({ logger: silentLogger });
  const failing = recordingPart('b', log, { stop: () => Promise.reject(new Error('x')) });
  const ended = life.run([recordingPart('a', log), failing], () => life.end(ExitCode.ok, 'test'));
  assert.equal(await ended, ExitCode.internal);
  assert.deepEqual(log, ['start a', 'start b', 'stop a']);
});

test('the signal is aborted when the end is asked for', async () => {
  const life = new Life({ logger: silentLogger });
  const ended = life.run([]);
  const aborted = once(life.signal, 'abort');
  life.end(ExitCode.ok, 'test');
  await Promise.all([aborted, ended]);
});
