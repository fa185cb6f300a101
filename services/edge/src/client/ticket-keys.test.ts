import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { ServiceError, answer, listTicketKeys } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { exportJWK, generateKeyPair } from 'jose';
import { TicketKeys } from './ticket-keys.ts';

const { publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
const { x = '' } = await exportJWK(publicKey);
const never = 3_600_000;

/** acl, which lists the keys of these names; null while it fails. */
function setUp(t: TestContext, refetchIntervalMs: number) {
  const bus = new MemoryHub().connect();
  const acl: { kids: string[] | null; asked: number } = { kids: ['k1'], asked: 0 };
  const subscription = answer(bus, listTicketKeys, () => {
    acl.asked += 1;
    if (acl.kids === null) throw new ServiceError({ code: 'INTERNAL', message: 'as asked', status: 500 });
    return { keys: acl.kids.map((kid) => ({ kid, kty: 'OKP', crv: 'Ed25519', x })) };
  });
  t.after(() => {
    subscription.close();
    return bus.close();
  });
  return { acl, keys: new TicketKeys({ bus, logger: silentLogger, refetchIntervalMs }) };
}

test('ticket keys: strangers who name any key cause one question in a while, and none for a key that is here', async (t) => {
  const { acl, keys } = setUp(t, never);
  const found = await Promise.all(['k1', 'k2', 'k3', 'k1'].map((kid) => keys.find(kid)));
  assert.deepEqual(
    found.map((key) => key !== undefined),
    [true, false, false, true],
  );
  for (const kid of ['k1', 'k2', 'k4']) await keys.find(kid);
  assert.deepEqual([acl.asked, keys.size], [1, 1]);
});

test('ticket keys: a key that acl made since is found, and one that it lists no more is gone', async (t) => {
  const { acl, keys } = setUp(t, 0);
  await keys.find('k1');
  acl.kids = ['k2'];
  assert.notEqual(await keys.find('k2'), undefined);
  assert.equal(await keys.find('k1'), undefined);
});

test('ticket keys: what is here stays where acl fails, and a node has none before acl has answered', async (t) => {
  const { acl, keys } = setUp(t, 0);
  acl.kids = null;
  assert.equal(await keys.find('k1'), undefined);
  assert.equal(keys.known, false);
  acl.kids = ['k1'];
  await keys.start(AbortSignal.timeout(60_000));
  acl.kids = null;
  assert.equal(await keys.find('k2'), undefined);
  assert.deepEqual([keys.known, (await keys.find('k1')) !== undefined], [true, true]);
});

test('ticket keys: of what acl lists 256 are held', async (t) => {
  const { acl, keys } = setUp(t, never);
  acl.kids = Array.from({ length: 257 }, (_, index) => `k${index}`);
  await keys.find('k0');
  assert.equal(keys.size, 256);
});
