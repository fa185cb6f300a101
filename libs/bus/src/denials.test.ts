import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Denials } from './denials.ts';

test('what is denied is counted each time, and told once a minute of each subject', () => {
  let now = 0;
  const denials = new Denials(() => now);
  const beat = { operation: 'publish', subject: 'presence.beat' } as const;
  assert.deepEqual([denials.add(beat), denials.add(beat)], [true, false]);
  assert.equal(denials.add({ operation: 'subscription', subject: 'edge.>' }), true);
  now = 60_000;
  assert.equal(denials.add(beat), true);
  assert.deepEqual(denials.counts, { publish: 3, subscription: 1 });
});

test('replies have a subject each: of so many at most is told in a minute', () => {
  const denials = new Denials(() => 0);
  const told = Array.from({ length: 1_000 }, (_, n) =>
    denials.add({ operation: 'publish', subject: `_INBOX.${n}` }),
  );
  assert.equal(told.filter(Boolean).length, 100);
  assert.equal(denials.counts.publish, 1_000);
});
