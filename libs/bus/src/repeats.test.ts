import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Repeats } from './repeats.ts';

test('what a server says again and again is told once a minute', () => {
  let now = 0;
  const repeats = new Repeats(() => now);
  assert.deepEqual(
    ['beat', 'beat', 'tunnel'].map((text) => repeats.isNew(text)),
    [true, false, true],
  );
  now = 59_999;
  assert.equal(repeats.isNew('beat'), false);
  now = 60_000;
  assert.equal(repeats.isNew('beat'), true);
});

test('of what is another each time, as subjects of replies are, so many at most are told in a minute', () => {
  const repeats = new Repeats(() => 0);
  const told = Array.from({ length: 1_000 }, (_, n) => repeats.isNew(`_INBOX.${n}`));
  assert.equal(told.filter(Boolean).length, 100);
});
