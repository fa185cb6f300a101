import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TurnQueue, turnsWaitingMax } from './turn-queue.ts';

it('runs one at a time in order, also after one that fails', async () => {
  const queue = new TurnQueue();
  const seen: string[] = [];
  const slow = queue.run(async () => {
    await new Promise(setImmediate);
    seen.push('slow');
  });
  const failed = assert.rejects(queue.run(() => Promise.reject(new Error('no'))));
  await queue.run(() => seen.push('last'));
  await Promise.all([slow, failed]);
  assert.deepEqual(seen, ['slow', 'last']);
});

it('refuses with STORE_OVERLOADED when turnsWaitingMax wait', async () => {
  const queue = new TurnQueue();
  const gate = Promise.withResolvers<void>();
  const waiting = Array.from({ length: turnsWaitingMax }, () => queue.run(() => gate.promise));
  await assert.rejects(
    queue.run(() => 1),
    { code: 'STORE_OVERLOADED' },
  );
  gate.resolve();
  await Promise.all(waiting);
  assert.equal(await queue.run(() => 1), 1);
});
