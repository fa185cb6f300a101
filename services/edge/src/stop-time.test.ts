import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeStopMsMax, supervisorStopMsMax, workerStopMsMax } from './stop-time.ts';

const hour = 3_600_000;

test('a stop has time for the whole drain, however long its grace is, and for what follows', () => {
  assert.equal(nodeStopMsMax({ drainDelayMs: 600_000, drainGraceMs: hour }), 600_000 + hour + 15_000);
});

test('clients have their time to move where balancers need none', () => {
  const moveMs = 15_000;
  assert.equal(nodeStopMsMax({ drainDelayMs: 0, drainGraceMs: 10 }), moveMs + 10 + 15_000);
  assert.equal(nodeStopMsMax({ drainDelayMs: 3_000, drainGraceMs: 10 }), moveMs + 10 + 15_000);
});

test('a supervisor waits longer for a worker than that for itself, and longer still for all of them', () => {
  const options = { drainDelayMs: 3_000, drainGraceMs: 30_000 };
  assert.ok(nodeStopMsMax(options) < workerStopMsMax(options));
  assert.ok(workerStopMsMax(options) < supervisorStopMsMax(options));
});
