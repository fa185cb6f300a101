import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { ServiceError, answer, createPassword, deletePassword, getIntakeKey } from '@postern/contracts';
import { answerKey } from './certstore-intake.ts';
import { withPassword } from './proxy-password.ts';

const body = {
  resource: { proxy: { host: 'proxy.corp', port: 1080, username: 'u', password: 'correct horse' } },
};

/** Which passwords are dropped when the router answers so. */
async function droppedAfter(code: string, status: number): Promise<string[]> {
  const hub = new MemoryHub();
  const owner = hub.connect();
  const dropped: string[] = [];
  answer(owner, getIntakeKey, () => ({ key: answerKey().recipient }));
  answer(owner, createPassword, () => ({ id: 'password1' }));
  answer(owner, deletePassword, ({ id }) => {
    dropped.push(id);
    return {};
  });
  const refusal = new ServiceError({ code, message: 'as the test says', status });
  const asked = withPassword(
    hub.connect(),
    { body, gatewayId: 'g1', former: async () => null },
    (): Promise<never> => Promise.reject(refusal),
  );
  await assert.rejects(asked, { code });
  return dropped;
}

test('a password is dropped where the router did not take what names it', async () => {
  assert.deepEqual(await droppedAfter('ROUTER_INVALID', 400), ['password1']);
  assert.deepEqual(await droppedAfter('BUS_NO_RESPONDER', 503), ['password1']);
});

test('a password stays where nobody knows whether the router took what names it', async () => {
  assert.deepEqual(await droppedAfter('BUS_TIMEOUT', 503), []);
});
