// A storm as far as CI has time for it: 500 tunnels come back after their node's restart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStorm, faultsOf, runStorm } from './storm.ts';

test('500 tunnels come back after their node was killed, no caller is broken, and the memory is at its level', async (t) => {
  const lines: string[] = [];
  const result = await runStorm({ tunnels: 500, processes: 2, onLine: (line) => lines.push(line) });
  for (const line of [...lines, ...describeStorm(result).split('\n')]) t.diagnostic(line);
  assert.deepEqual(faultsOf(result), []);
});
