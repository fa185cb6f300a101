import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectionListener } from './connection-listener.ts';

const host = '127.0.0.1';
const never = (): void => assert.fail('it was closed');

test('a port whose listener was closed before it was bound is let go of', async () => {
  const holder = createServer().listen(0, host);
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, 'close');
  const closed = new ConnectionListener({
    host,
    port,
    onConnection: never,
    onListening: never,
    onError: never,
  });
  closed.close();
  closed.close();
  // A turn later the system has given it the port, and the next one has that.
  await nextTurn();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const next = new ConnectionListener({
    host,
    port,
    onConnection: (socket) => socket.end('next'),
    onListening: resolve,
    onError: reject,
  });
  await promise;
  assert.deepEqual([closed.listening, next.listening, next.port], [false, true, port]);
  const caller = connect(port, host);
  const [data] = await once(caller, 'data');
  assert.equal(String(data), 'next');
  next.close();
  caller.destroy();
});
