import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Silence, firstLooksMax, looksMax } from './silence.ts';

/** How many looks it takes until there was silence for too long. */
function looksOf(silence: Silence): number {
  let looks = 1;
  while (!silence.look()) looks += 1;
  return looks;
}

test('thirty looks without a word are allowed, and after each word as many again', () => {
  const silence = new Silence();
  silence.handleWord();
  for (let looks = 0; looks < looksMax; looks += 1) assert.equal(silence.look(), false);
  silence.handleWord();
  assert.equal(looksOf(silence), looksMax + 1);
});

test('a process that has not said a word yet has longer', () => {
  assert.equal(looksOf(new Silence()), firstLooksMax + 1);
});
