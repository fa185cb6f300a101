import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CloudDestination } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { freePort } from '@postern/test-kit';
import { Compression, type Session } from '@postern/tunnel';
import { AccessGuard } from '../access-guard.ts';
import { CloudDesk } from './cloud-desk.ts';

interface Status {
  readonly refused: number;
  readonly callers: number;
  readonly destinations: readonly { listening: boolean; lastRefusal: { code: string } | null }[];
}

test('of callers that are turned away after their destination has gone nothing is kept', async (t) => {
  const desk = new CloudDesk({
    listenHost: '127.0.0.1',
    gatewayId: 'g',
    callersMax: 10,
    guard: new AccessGuard(),
    compression: new Compression(),
    http: {
      head: { headBytesMax: 16_384, fieldsMax: 64 },
      headTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      answerTimeoutMs: 10_000,
      keepAliveMs: 10_000,
      requestsPerConnectionMax: 10,
      resourceKeepAliveMs: 10_000,
      resourceKeptMax: 10,
    },
    material: () => assert.fail('there is no TLS'),
    logger: silentLogger,
    tracing: () => null,
    sessions: () => [],
    open: () => assert.fail('nothing is opened'),
  });
  t.after(() => desk.close());
  const status = (): Status => desk.status() as Status;
  const reached = async (done: (now: Status) => boolean): Promise<Status> => {
    while (!done(status())) await nextTurn();
    return status();
  };
  const destination: CloudDestination = {
    id: 'c1',
    name: 'shop',
    protocol: 'http',
    clientPort: await freePort(),
    host: '10.0.0.5',
    port: 80,
    idleTimeoutSeconds: 0,
  };
  const node = { usable: false } as Session;
  desk.take(node, 1, [destination]);
  await reached(({ destinations }) => destinations[0]?.listening === true);
  const caller = connect(destination.clientPort, '127.0.0.1').resume();
  t.after(() => caller.destroy());
  await reached(({ callers }) => callers === 1);
  desk.take(node, 2, []);
  caller.write('GET / HTTP/1.1\r\nhost: shop\r\n\r\n');
  await reached(({ refused }) => refused === 1);
  desk.take(node, 3, [destination]);
  assert.deepEqual(
    status().destinations.map(({ lastRefusal }) => lastRefusal),
    [null],
  );
});
