import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { MemoryHub, type Bus } from '@postern/bus';
import {
  ServiceError,
  aclChanged,
  announce,
  answer,
  secretHash,
  verifyApiKey,
  type ApiKey,
} from '@postern/contracts';
import { Authenticator } from './authentication.ts';

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
  let authenticator: Authenticator;
  let asked: string[];
  let now: number;

  beforeEach(() => {
    bus = new MemoryHub().connect();
    asked = [];
    now = 0;
    answer(bus, verifyApiKey, ({ keyHash }) => {
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
    await forgetful.authenticate('Bearer good');
    backMs = 600_000;
    await forgetful.authenticate('Bearer good');
    assert.equal(asked.length, 2);
    forgetful.close();
  });

  it('asks once for many calls at the same moment, and by the hash only', async () => {
    const keys = await Promise.all([1, 2, 3].map(() => authenticator.authenticate('Bearer good')));
    assert.deepEqual(keys[2], owner);
    assert.deepEqual(asked, [secretHash('good')]);
  });

  it('asks again when the answer is too old', async () => {
    await authenticator.authenticate('Bearer good');
    now = 1_000;
    await authenticator.authenticate('Bearer good');
    assert.equal(asked.length, 2);
  });

  it('asks again after a key was changed', async () => {
    await authenticator.authenticate('Bearer good');
    announce(bus, aclChanged, { kind: 'api-key', action: 'deleted', id: 'k1', gatewayId: null, at: time });
    await bus.flush(1_000);
    await authenticator.authenticate('Bearer good');
    assert.equal(asked.length, 2);
  });

  it('remembers refusals too, and never more than its bound', async () => {
    for (const key of ['a', 'a', 'b', 'c', 'd', 'e']) {
      await assert.rejects(authenticator.authenticate(`Bearer ${key}`), code('ADMIN_KEY_WRONG'));
    }
    assert.equal(asked.length, 5);
    assert.equal(authenticator.size, 3);
  });

  it('does not remember that acl was out of reach', async () => {
    const alone = new MemoryHub().connect();
    const early = new Authenticator({ bus: alone, entriesMax: 3, lifeMs: 1_000, onError: () => undefined });
    await assert.rejects(early.authenticate('Bearer good'), code('BUS_NO_RESPONDER'));
    assert.equal(early.size, 0);
    answer(alone, verifyApiKey, () => owner);
    assert.deepEqual(await early.authenticate('Bearer good'), owner);
    early.close();
    await alone.close();
  });
});
