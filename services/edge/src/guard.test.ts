import assert from 'node:assert/strict';
import { it } from 'node:test';
import { policyOf } from './fixture/documents.ts';
import { Guard, type GuardParts } from './guard.ts';

it('waits for the clients of the gateway that was changed, whoever is silent behind another', async () => {
  const sent: unknown[] = [];
  const session = { sendControl: (body: unknown) => sent.push(body) };
  const tunnel = { gatewayId: 'g1', clientId: 'c1', tokenId: 't1', accessListRevision: 1, session };
  const taken = Promise.withResolvers<void>();
  const guard = new Guard({
    tunnels: { of: () => [tunnel] },
    callers: { judgeAgain: () => {} },
    cloudStreams: { judgeAgain: () => {} },
    policy: () => policyOf({ accessListRevision: 2 }),
    untilTaken: () => taken.promise,
  } as unknown as GuardParts);
  guard.handlePolicy('g1');
  assert.equal(sent.length, 1);
  await guard.listsTaken('g2');
  await guard.listsTaken(null);
  let isTaken = false;
  const own = guard.listsTaken('g1').then(() => assert.ok(isTaken));
  const all = guard.listsTaken(undefined).then(() => assert.ok(isTaken));
  await new Promise((resolve) => setImmediate(resolve));
  isTaken = true;
  taken.resolve();
  await Promise.all([own, all]);
});
