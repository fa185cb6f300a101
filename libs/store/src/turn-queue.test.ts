import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
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

it('refuses what is wanted soon when its turn does not come in time, and never runs it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const queue = new TurnQueue();
  const gate = Promise.withResolvers<void>();
  const ran: string[] = [];
  const first = queue.runSoon(() => gate.promise, 1_000);
  await nextTurn();
  const late = assert.rejects(
    queue.runSoon(() => ran.push('late'), 1_000),
    { code: 'STORE_OVERLOADED', message: /nothing was done/ },
  );
  t.mock.timers.tick(500);
  const inTime = queue.runSoon(() => ran.push('in time'), 1_000);
  t.mock.timers.tick(500);
  await late;
  gate.resolve();
  await Promise.all([first, inTime]);
  assert.deepEqual(ran, ['in time']);
});
