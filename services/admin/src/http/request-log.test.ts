import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { createLogger, Metrics } from '@postern/telemetry';
import { Type } from 'typebox';
import { testKeys, testPlatform } from '../fixture/platform.ts';
import { adminMetrics } from '../metrics.ts';
import { Authenticator } from './authentication.ts';
import { endpoint } from './endpoint.ts';
import { IdempotencyKeeper } from './idempotency.ts';
import { createServer } from './server.ts';

test('the log says from where a call came, also where its caller did not wait for the answer', async (t) => {
  const platform = await testPlatform();
  t.after(() => platform.close());
  const onError = (): void => undefined;
  const logged = Promise.withResolvers<Record<string, unknown>>();
  const gone = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const app = await createServer({
    endpoints: [
      endpoint({
        method: 'GET',
        path: '/health',
        operationId: 'x',
        tag: 'x',
        summary: 'x',
        status: 200,
        answer: Type.Object({}),
        handle: async () => {
          taken.resolve();
          await gone.promise;
          return { body: {} };
        },
      }),
    ],
    authenticator: new Authenticator({ bus: platform.bus, entriesMax: 1, lifeMs: 1, onError }),
    idempotency: await IdempotencyKeeper.open({ store: platform.store, recordsMax: 1, lifeMs: 1, onError }),
    metrics: adminMetrics(new Metrics()),
    logger: createLogger({
      name: 'test',
      destination: { write: (line) => line.includes('"trackingId"') && logged.resolve(JSON.parse(line)) },
    }),
    version: '0.0.0',
  });
  t.after(() => app.close());
  app.server.on('connection', (socket) => socket.on('close', () => gone.resolve()));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const caller = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  await once(caller, 'connect');
  caller.write(`GET /api/v1/health HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${testKeys.viewer}\r\n\r\n`);
  await taken.promise;
  caller.destroy();
  const { address, actor, actorName, path, status, msg } = await logged.promise;
  assert.deepEqual([address, path, status], ['127.0.0.1', '/api/v1/health', 200]);
  assert.equal(typeof actor, 'string');
  assert.equal(actorName, testKeys.viewer);
  assert.equal(msg, 'answered, and the caller had gone');
});
