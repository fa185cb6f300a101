import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ServiceError } from '@postern/contracts';
import { openSqlite, type Store } from '@postern/store';
import {
  IdempotencyKeeper,
  type IdempotencyRecord,
  type KeptAnswer,
  type KeyedRequest,
} from './idempotency.ts';

const hour = 3_600_000;
const answer: KeptAnswer = { status: 201, headers: { etag: '"1"' }, body: '{"token":"the secret"}' };
const request: KeyedRequest = {
  idempotencyKey: 'an-idempotency-key',
  apiKeyId: 'key1',
  apiKey: 'the API key',
  method: 'POST',
  path: '/api/v1/gateways/g/tokens',
  body: {},
};
const code = (expected: string) => (error: unknown) =>
  error instanceof ServiceError && error.code === expected;

describe('idempotency', () => {
  let store: Store;
  let now: number;
  const noted: unknown[] = [];

  beforeEach(() => {
    store = openSqlite(':memory:');
    now = 1_000_000;
  });
  afterEach(() => store.close());

  function keeper(recordsMax = 10): Promise<IdempotencyKeeper> {
    return IdempotencyKeeper.open({
      store,
      recordsMax,
      lifeMs: 24 * hour,
      now: () => now,
      onError: (error) => noted.push(error),
    });
  }
  async function records(): Promise<IdempotencyRecord[]> {
    return (await (await store.collection<IdempotencyRecord>('admin_idempotency')).list()).items;
  }
  const never = (): Promise<KeptAnswer> => Promise.reject(new Error('done twice'));

  it('gives another replica’s caller the same answer', async () => {
    await (await keeper()).once(request, async () => answer);
    assert.deepEqual(await (await keeper()).once(request, never), answer);
  });

  it('stores nothing that shows the answer, the API key or the idempotency key', async () => {
    await (await keeper()).once(request, async () => answer);
    const text = JSON.stringify(await records());
    for (const secret of ['the secret', 'the API key', 'an-idempotency-key', 'tokens'])
      assert.equal(text.includes(secret), false);
  });

  it('lets one of many that come at once do the work', async () => {
    const replicas = await Promise.all([keeper(), keeper(), keeper()]);
    const held = Promise.withResolvers<KeptAnswer>();
    let done = 0;
    const tries = replicas.map((replica) =>
      replica.once(request, () => {
        done += 1;
        return held.promise;
      }),
    );
    const settled = Promise.allSettled(tries);
    await Promise.any(tries.map((one) => one.catch((error: unknown) => error)));
    held.resolve(answer);
    const results = await settled;
    assert.equal(done, 1);
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    for (const result of results) {
      if (result.status === 'rejected') assert(code('ADMIN_IDEMPOTENCY_RUNNING')(result.reason));
    }
  });

  it('lets a request that was refused, or that nobody took, be tried again', async () => {
    const kept = await keeper();
    for (const [status, refusal] of [
      [409, 'ROUTER_FRONT_TAKEN'],
      [503, 'BUS_NO_RESPONDER'],
    ] as const) {
      const error = new ServiceError({ code: refusal, message: 'no', status });
      await assert.rejects(
        kept.once(request, () => Promise.reject(error)),
        code(refusal),
      );
      assert.equal((await records()).length, 0);
    }
  });

  it('refuses a key that was used for another request: another method, path or body', async () => {
    const kept = await keeper();
    await kept.once(request, async () => answer);
    for (const other of [{ method: 'PUT' }, { path: '/api/v1/gateways' }, { body: { note: 'x' } }])
      await assert.rejects(kept.once({ ...request, ...other }, never), code('ADMIN_IDEMPOTENCY_OTHER'));
    assert.deepEqual(await kept.once(request, never), answer);
  });

  it('tells why a request was refused also when its record stays', async () => {
    const kept = await keeper();
    noted.length = 0;
    const refused = kept.once(request, async () => {
      await store.close();
      throw new ServiceError({ code: 'ROUTER_FRONT_TAKEN', message: 'no', status: 409 });
    });
    await assert.rejects(refused, code('ROUTER_FRONT_TAKEN'));
    assert.equal(noted.length, 1);
  });

  it('never runs again what ended in doubt, and says so', async () => {
    const kept = await keeper();
    const late = new ServiceError({ code: 'BUS_TIMEOUT', message: 'late', status: 503 });
    await assert.rejects(kept.once(request, () => Promise.reject(late)));
    await assert.rejects(kept.once(request, never), code('ADMIN_IDEMPOTENCY_RUNNING'));
    now += hour;
    await assert.rejects(kept.once(request, never), code('ADMIN_IDEMPOTENCY_UNKNOWN'));
  });

  it('forgets after its life, and sweeps what is forgotten', async () => {
    const kept = await keeper();
    await kept.once(request, async () => answer);
    now += 23 * hour;
    await kept.once({ ...request, idempotencyKey: 'k2' }, async () => answer);
    await kept.sweep();
    assert.equal((await records()).length, 2);
    now += hour;
    const second = { ...answer, body: '{}' };
    assert.deepEqual(await kept.once(request, async () => second), second);
    now += 23 * hour;
    await kept.sweep();
    assert.equal((await records()).length, 1);
    now += hour;
    await kept.sweep();
    assert.equal((await records()).length, 0);
  });

  it('sweeps all that is over at once, however much that is', async () => {
    const kept = await keeper();
    const collection = await store.collection<IdempotencyRecord>('admin_idempotency');
    const record = { revision: 1, apiKeyId: 'k', fingerprint: '', startedAt: now, sealed: null };
    await store.transaction(async (within) => {
      for (let number = 100; number <= 300; number += 1)
        await within(collection).insert({ ...record, id: `r${number}`, keyHash: `r${number}` });
    });
    now += 24 * hour;
    await kept.sweep();
    assert.equal(await collection.count(), 0);
  });

  it('keeps no more records than allowed, a quarter of them for one API key', async () => {
    const kept = await keeper(8);
    const full = code('ADMIN_IDEMPOTENCY_FULL');
    for (const apiKeyId of ['k1', 'k2', 'k3', 'k4']) {
      for (const idempotencyKey of ['a', 'b'])
        await kept.once({ ...request, apiKeyId, idempotencyKey }, async () => answer);
      await assert.rejects(kept.once({ ...request, apiKeyId, idempotencyKey: 'c' }, never), full);
    }
    await assert.rejects(kept.once({ ...request, apiKeyId: 'k5', idempotencyKey: 'a' }, never), full);
    assert.deepEqual(await kept.once({ ...request, apiKeyId: 'k1', idempotencyKey: 'a' }, never), answer);
  });

  it('gives the answer to the first caller also when it cannot be kept', async () => {
    const kept = await keeper();
    noted.length = 0;
    const collection = await store.collection<IdempotencyRecord>('admin_idempotency');
    const work = async (): Promise<KeptAnswer> => {
      for (const record of await records()) await collection.delete(record.id);
      return answer;
    };
    assert.deepEqual(await kept.once(request, work), answer);
    assert.equal(noted.length, 1);
  });
});
