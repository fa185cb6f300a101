import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ResetCode } from './error.ts';
import { Opening } from './opening.ts';

test('a caller that goes while no stream is there to carry it is told of as refused from here', async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const caller = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const refused = new Promise((resolve) => {
    const onRefused = (...told: unknown[]) => resolve(told);
    const opening = new Opening(accepted, { onOpened: () => assert.fail(), onRefused });
    accepted.once('close', () => opening.close());
  });
  accepted.destroy();
  assert.deepEqual(await refused, [ResetCode.Cancelled, "the caller's connection was closed", 'here']);
  caller.destroy();
  server.close();
});
