import assert from 'node:assert/strict';
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
