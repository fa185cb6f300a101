import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { CallerListener } from './caller-listener.ts';

const host = '127.0.0.1';
const nobody = (): void => assert.fail('nobody calls');

function holder(protocol: 'tcp' | 'udp') {
  return protocol === 'tcp' ? createServer().listen(0, host) : createSocket('udp4').bind(0, host);
}

for (const protocol of ['tcp', 'udp'] as const)
  test(`a ${protocol} port that somebody else has is told, and listened on when it is free`, async (t) => {
    const other = holder(protocol);
    await once(other, 'listening');
    const told: (string | null)[] = [];
    const { promise: listens, resolve } = Promise.withResolvers<void>();
    const listener = new CallerListener({
      protocol,
      host,
      port: (other.address() as AddressInfo).port,
      scope: 'g',
      flowsMax: 1,
      counts: { fromCallers: 0, toCallers: 0, dropped: 0 },
      onConnection: nobody,
      onFlow: nobody,
      onFull: nobody,
      onNotAccepted: nobody,
      onState: (error) => {
        told.push(error?.code ?? null);
        if (error === null) resolve();
        else other.close();
      },
    });
    t.after(() => listener.close());
    await listens;
    assert.deepEqual(told, ['EADDRINUSE', null]);
    assert.deepEqual([listener.listening, listener.error], [true, null]);
    listener.close();
    assert.equal(listener.listening, false);
  });
