import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
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
