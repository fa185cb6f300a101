import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemoryHub } from '@postern/bus';
import { ServiceError, answer, listTicketKeys } from '@postern/contracts';
import type { Store } from '@postern/store';
import type { Call } from '../http/endpoint.ts';
import { healthEndpoints } from './health.ts';

/** How long a service waits for a MongoDB that is out of reach. */
const databaseMs = 3_000;

test('health: a part whose database is away says so itself, and is not told as one that does not answer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const bus = new MemoryHub().connect();
  const found = Promise.withResolvers<void>();
  answer(bus, listTicketKeys, async () => {
    await found.promise;
    throw new ServiceError({
      code: 'STORE_UNREACHABLE',
      status: 503,
      message: 'the database is out of reach',
    });
  });
  const store = { ping: async () => undefined } as unknown as Store;
  const [health] = healthEndpoints(bus, store, '1');
  const asked = health?.run({ params: {}, body: undefined, query: {} } as unknown as Call);
  await nextTurn();
  t.mock.timers.tick(databaseMs);
  found.resolve();
  const { body } = (await asked) as { body: { parts: { name: string; code: string | null }[] } };
  assert.equal(body.parts.find(({ name }) => name === 'acl')?.code, 'STORE_UNREACHABLE');
  await bus.close();
});
