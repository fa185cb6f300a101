import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemoryHub, type Bus, type Subscription } from '@postern/bus';
import {
  ServiceError,
  aclChanged,
  announce,
  answer,
  secretHash,
  verifyApiKey,
  type ApiKey,
} from '@postern/contracts';
import { asksMax, asksPerAddressMax, Authenticator } from './authentication.ts';

const here = '192.0.2.1';
const time = '2026-01-01T00:00:00.000Z';
const owner: ApiKey = {
  id: 'k1',
  revision: 1,
  createdAt: time,
  modifiedAt: time,
  name: 'ops',
  role: 'owner',
  gateways: null,
};
const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;

describe('an authenticator', () => {
  let bus: Bus;
  let serving: Subscription;
  let authenticator: Authenticator;
  let asked: string[];
  let now: number;

  beforeEach(() => {
    bus = new MemoryHub().connect();
    asked = [];
    now = 0;
    serving = answer(bus, verifyApiKey, ({ keyHash }) => {
      asked.push(keyHash);
      if (keyHash === secretHash('good')) return owner;
      throw new ServiceError({ code: 'ACL_API_KEY_WRONG', message: 'unknown', status: 401 });
    });
    authenticator = new Authenticator({
      bus,
      entriesMax: 3,
      lifeMs: 1_000,
      now: () => now,
      onError: (error) => assert.fail(String(error)),
    });
  });
  afterEach(async () => {
    authenticator.close();
    await bus.close();
  });

  it('asks again after its time, also where the clock was set back meanwhile', async (context) => {
    const { now: timeOfDay } = Date;
    let backMs = 0;
    context.mock.method(Date, 'now', () => timeOfDay() - backMs);
    const onError = (error: unknown): void => assert.ifError(error);
    const forgetful = new Authenticator({ bus, entriesMax: 3, lifeMs: 0, onError });
    await forgetful.authenticate('Bearer good', here);
    backMs = 600_000;
    await forgetful.authenticate('Bearer good', here);
    assert.equal(asked.length, 2);
    forgetful.close();
  });

  it('asks once for many calls at the same moment, and by the hash only', async () => {
    const keys = await Promise.all([1, 2, 3].map(() => authenticator.authenticate('Bearer good', here)));
    assert.deepEqual(keys[2], owner);
    assert.deepEqual(asked, [secretHash('good')]);
  });

  it('asks again when the answer is too old', async () => {
    await authenticator.authenticate('Bearer good', here);
    now = 1_000;
    await authenticator.authenticate('Bearer good', here);
    assert.equal(asked.length, 2);
  });

  it('asks again after a key was changed', async () => {
    await authenticator.authenticate('Bearer good', here);
    announce(bus, aclChanged, { kind: 'api-key', action: 'deleted', id: 'k1', gatewayId: null, at: time });
    await bus.flush(1_000);
    await authenticator.authenticate('Bearer good', here);
    assert.equal(asked.length, 2);
  });

  it('remembers refusals too, and never more than its bound', async () => {
    for (const key of ['a', 'a', 'b', 'c', 'd', 'e']) {
      await assert.rejects(authenticator.authenticate(`Bearer ${key}`, here), code('ADMIN_KEY_WRONG'));
    }
    assert.equal(asked.length, 5);
    assert.equal(authenticator.size, 3);
  });

  it('has few unknown keys of one address looked up at once, and others wait for none of them', async () => {
    const flood = Array.from({ length: 2_000 }, (_, n) =>
      authenticator.authenticate(`Bearer wrong${n}`, here),
    );
    const other = authenticator.authenticate('Bearer good', '192.0.2.2');
    const refusals = (await Promise.allSettled(flood)).map((one) =>
      one.status === 'rejected' ? (one.reason as ServiceError).code : 'let in',
    );
    assert.deepEqual(await other, owner);
    assert.equal(asked.length, asksPerAddressMax + 1);
    assert.equal(refusals.filter((refusal) => refusal === 'ADMIN_KEY_WRONG').length, asksPerAddressMax);
    assert.equal(
      refusals.filter((refusal) => refusal === 'ADMIN_KEY_RATE').length,
      2_000 - asksPerAddressMax,
    );
    await assert.rejects(authenticator.authenticate('Bearer wrong', here), code('ADMIN_KEY_WRONG'));
  });

  it('takes all addresses of an IPv6 /64, which one host can have, for one', async () => {
    const flood = Array.from({ length: 2 * asksMax }, (_, n) =>
      authenticator.authenticate(`Bearer wrong${n}`, `2001:db8::${n.toString(16)}`),
    );
    const other = authenticator.authenticate('Bearer good', '2001:db8:0:1::1');
    await Promise.allSettled(flood);
    assert.deepEqual(await other, owner);
    assert.equal(asked.length, asksPerAddressMax + 1);
  });

  it('has few unknown keys of all addresses looked up at once', async () => {
    const flood = Array.from({ length: 2 * asksMax }, (_, n) =>
      authenticator.authenticate(`Bearer wrong${n}`, `192.0.2.${n % 250}`),
    );
    await Promise.allSettled(flood);
    assert.equal(asked.length, asksMax);
    assert.deepEqual(await authenticator.authenticate('Bearer good', here), owner);
  });

  it('lets a key in that acl let in within the hour while acl is out of reach, where that is enough', async () => {
    const reserve = { reserve: true };
    const good = (options?: { reserve: boolean }) => authenticator.authenticate('Bearer good', here, options);
    await good();
    serving.close();
    now = 3_599_999;
    assert.deepEqual(await good(reserve), owner);
    await assert.rejects(good(), code('BUS_NO_RESPONDER'));
    await assert.rejects(authenticator.authenticate('Bearer other', here, reserve), code('BUS_NO_RESPONDER'));
    now = 3_600_000;
    await assert.rejects(good(reserve), code('BUS_NO_RESPONDER'));
  });

  it('waits a second for an acl that says nothing, and then lets such a key in, where that is enough', async (context) => {
    const good = () => authenticator.authenticate('Bearer good', here, { reserve: true });
    await good();
    serving.close();
    const { promise: askedAgain, resolve: tellAsked } = Promise.withResolvers<void>();
    const silent = Promise.withResolvers<never>();
    serving = answer(bus, verifyApiKey, () => {
      tellAsked();
      return silent.promise;
    });
    now = 1_000;
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const letIn = good();
    await askedAgain;
    context.mock.timers.tick(1_000);
    await nextTurn();
    silent.reject(new ServiceError({ code: 'ACL_API_KEY_WRONG', message: 'too late', status: 401 }));
    assert.deepEqual(await letIn, owner);
  });

  it('lets no key in without acl after a key was changed, nor one that acl has refused since', async () => {
    const reserve = { reserve: true };
    await authenticator.authenticate('Bearer good', here);
    announce(bus, aclChanged, { kind: 'api-key', action: 'deleted', id: 'k1', gatewayId: null, at: time });
    await bus.flush(1_000);
    serving.close();
    await assert.rejects(authenticator.authenticate('Bearer good', here, reserve), code('BUS_NO_RESPONDER'));
    let known = true;
    serving = answer(bus, verifyApiKey, () => {
      if (known) return owner;
      throw new ServiceError({ code: 'ACL_API_KEY_WRONG', message: 'unknown', status: 401 });
    });
    await authenticator.authenticate('Bearer good', here);
    known = false;
    now = 1_000;
    await assert.rejects(authenticator.authenticate('Bearer good', here, reserve), code('ADMIN_KEY_WRONG'));
    serving.close();
    now = 2_000;
    await assert.rejects(authenticator.authenticate('Bearer good', here, reserve), code('BUS_NO_RESPONDER'));
  });

  it('tells whoever cannot be known which part is away, and not in whose words', async () => {
    const told = (): Promise<unknown> =>
      authenticator.authenticate('Bearer good', here).catch((error: ServiceError) => error.body);
    serving.close();
    assert.deepEqual(await told(), {
      code: 'BUS_NO_RESPONDER',
      status: 503,
      message: 'the API key cannot be checked: acl does not answer',
    });
    serving = answer(bus, verifyApiKey, () => {
      throw new ServiceError({ code: 'STORE_UNREACHABLE', message: 'connect 10.0.0.5:27017', status: 503 });
    });
    assert.deepEqual(await told(), {
      code: 'STORE_UNREACHABLE',
      status: 503,
      message: 'the API key cannot be checked: acl does not reach its documents',
    });
  });

  it('does not remember that acl was out of reach', async () => {
    const alone = new MemoryHub().connect();
    const early = new Authenticator({ bus: alone, entriesMax: 3, lifeMs: 1_000, onError: () => undefined });
    await assert.rejects(early.authenticate('Bearer good', here), code('BUS_NO_RESPONDER'));
    assert.equal(early.size, 0);
    answer(alone, verifyApiKey, () => owner);
    assert.deepEqual(await early.authenticate('Bearer good', here), owner);
    early.close();
    await alone.close();
  });
});
