// Chaos as far as CI has time for it: half a minute of faults of a random seed, which is told when it fails.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { describeVerdict, runChaos } from './chaos.ts';

test('half a minute of random faults breaks no stream that it has to spare, and no byte', async () => {
  const seed = randomInt(1, 2 ** 31);
  const lines = [`seed ${seed}`];
  const verdict = await runChaos({ seconds: 30, workers: 1, seed, onLine: (line) => lines.push(line) });
  assert.ok(verdict.ok, [...lines, describeVerdict(verdict)].join('\n'));
  assert.ok(verdict.calls > 20, `only ${verdict.calls} calls`);
});
