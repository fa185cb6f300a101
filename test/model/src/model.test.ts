// The models hold in every order of events within their bounds, and the checker can tell: each known mistake is found.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from './check.ts';
import { brokenRuns, rightRuns } from './runs.ts';

for (const run of rightRuns) {
  test(`${run.model} holds: ${JSON.stringify(run.bounds)}`, async (t) => {
    const { states, error, steps, seconds } = await check(run);
    assert.equal(error, null, steps);
    assert.ok(states > 10_000, `only ${states} states: the model does nothing`);
    t.diagnostic(`${states} states, ${seconds.toFixed(1)} s`);
  });
}

for (const run of brokenRuns) {
  test(`${run.model}, and it ${run.mistake}: found`, async () => {
    const { error } = await check(run);
    assert.match(error ?? 'nothing was found', /assertion violated|invalid end state/);
  });
}
