import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { it } from 'node:test';
import { BusError } from './bus-error.ts';
import { PendingRequests, pendingRequestsMax, type Settle } from './pending-requests.ts';

const deadlineMs = 60_000;

it('counts how each request ended, those too that were never sent', async () => {
  const requests = new PendingRequests();
  const settles: Settle[] = [];
  const add = (signal?: AbortSignal): Promise<unknown> =>
    requests.add('x', { deadlineMs, ...(signal === undefined ? {} : { signal }) }, (settle) => {
      settles.push(settle);
      return () => {};
    });
  const waiting = Array.from({ length: pendingRequestsMax }, () => add());
  await assert.rejects(add(), { code: 'BUS_OVERLOADED' });
  await assert.rejects(add(AbortSignal.abort()), { code: 'BUS_ABORTED' });
  for (const settle of settles) settle.resolve(1);
  await Promise.all(waiting);
  const tooLarge = new BusError('BUS_MESSAGE_TOO_LARGE', 'too large');
  const refused = requests.add('x', { deadlineMs }, () => {
    throw tooLarge;
  });
  await assert.rejects(refused, tooLarge);
  requests.close();
  await assert.rejects(add(), { code: 'BUS_CLOSED' });
  assert.deepEqual(Object.fromEntries(requests.outcomes), {
    BUS_OVERLOADED: 1,
    BUS_ABORTED: 1,
    ok: pendingRequestsMax,
    BUS_MESSAGE_TOO_LARGE: 1,
    BUS_CLOSED: 1,
  });
});

it('takes no deadline that is over or that a timer cannot hold', () => {
  const requests = new PendingRequests();
  for (const wrong of [0, 2 ** 31, Number.NaN])
    assert.throws(() => requests.add('x', { deadlineMs: wrong }, () => () => {}), /a request has a deadline/);
  assert.equal(requests.size, 0);
});

it('keeps nothing of a request that is over: no timer, and no listener of its signal', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const requests = new PendingRequests();
  const { signal } = new AbortController();
  const before = timers();
  let settle: Settle | undefined;
  let isCleanedUp = false;
  const asked = requests.add('x', { deadlineMs, signal }, (given) => {
    settle = given;
    return () => {
      isCleanedUp = true;
    };
  });
  const waiting = [timers() - before, getEventListeners(signal, 'abort').length];
  settle?.resolve('reply');
  assert.deepEqual([timers() - before, getEventListeners(signal, 'abort').length], [0, 0]);
  assert.deepEqual([waiting, isCleanedUp, requests.size], [[1, 1], true, 0]);
  assert.equal(await asked, 'reply');
});
