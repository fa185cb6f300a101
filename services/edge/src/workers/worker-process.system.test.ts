import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { until } from '@postern/test-kit';
import { looksMax } from './silence.ts';
import { type WorkerEnd, WorkerProcess, type WorkerProcessParts } from './worker-process.ts';

/** A worker whose program is that script; `died` says how its processes end, one after the other. */
function workerOf(script: string, change: Partial<WorkerProcessParts> = {}) {
  const ends: WorkerEnd[] = [];
  const waiting: PromiseWithResolvers<WorkerEnd>[] = [];
  const worker = new WorkerProcess({
    worker: 1,
    command: process.execPath,
    args: ['-e', script],
    logger: silentLogger,
    onDied: (end) => {
      ends.push(end);
      waiting.shift()?.resolve(end);
      return true;
    },
    ...change,
  });
  const died = (): Promise<WorkerEnd> => {
    const next = Promise.withResolvers<WorkerEnd>();
    waiting.push(next);
    return next.promise;
  };
  return { worker, died, ends };
}

test('a worker whose program cannot be started at all is tried again like one that died', async () => {
  const { worker, died, ends } = workerOf('', { command: `${process.execPath}/none` });
  const second = died().then(died);
  worker.start();
  await second;
  assert.deepEqual(
    [ends, worker.status.pid, worker.restarts],
    [Array.from({ length: 2 }, () => ({ code: null, signal: null })), null, 2],
  );
  await worker.stop(1_000);
});

test('a worker that waits to be started again is stopped in order, however it died before', async () => {
  const { worker, died, ends } = workerOf('process.exit(70)');
  const first = died();
  worker.start();
  await first;
  assert.deepEqual(await worker.stop(1_000), { code: 0, signal: null });
  assert.deepEqual([ends, worker.status.pid], [[{ code: 70, signal: null }], null]);
});

const word = '{ ready: true, waitingFor: [] }';

test('a worker that is frozen is killed, and started again like any that died', async () => {
  const freeze = "process.kill(process.pid, 'SIGSTOP')";
  const { worker, died, ends } = workerOf(
    `process.send(${word}, () => ${freeze}); setInterval(() => {}, 1e6)`,
    {
      lookEveryMs: 10,
    },
  );
  const first = died();
  worker.start();
  await first;
  assert.deepEqual([ends, worker.restarts], [[{ code: null, signal: 'SIGKILL' }], 1]);
  await worker.stop(0);
});

test('a supervisor that was late itself kills nobody whose words it has not read yet', async () => {
  const lookEveryMs = 50;
  const script = `process.on('SIGTERM', () => process.exit(0)); setInterval(() => process.send(${word}), 10)`;
  const { worker, ends } = workerOf(script, { lookEveryMs });
  worker.start();
  await until(
    () => worker.ready,
    (ready) => ready,
  );
  // From here timers that are due come before what is to be read.
  await turn();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lookEveryMs * (looksMax + 5));
  await turn();
  assert.deepEqual([await worker.stop(10_000), ends], [{ code: 0, signal: null }, []]);
});
