import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { currentTurn } from '../loop-turn.ts';
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

test(
  'of connections that wait for their turn several are taken in one',
  { skip: process.platform !== 'linux' },
  async () => {
    const turns: number[] = [];
    const listener = await listening(0, (socket) => {
      turns.push(currentTurn());
      socket.destroy();
    });
    for (let wave = 0; mostAtOnce(turns) < 2 && wave < 20; wave += 1) {
      const callers = Array.from({ length: 40 }, () => connect(listener.port, host).on('error', () => {}));
      await Promise.all(callers.map((caller) => once(caller, 'close')));
    }
    assert.ok(mostAtOnce(turns) > 1);
    const { port } = listener;
    listener.close();
    const [error] = (await once(connect(port, host), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
  },
);

test('a port that another listener has is refused, though more sockets could listen there', async (context) => {
  const first = await listening(0, (socket) => socket.destroy());
  context.after(() => first.close());
  const { promise, resolve, reject } = Promise.withResolvers<NodeJS.ErrnoException>();
  const second = new ConnectionListener({
    host,
    port: first.port,
    onConnection: never,
    onListening: () => reject(new Error('it listens')),
    onError: resolve,
  });
  assert.equal((await promise).code, 'EADDRINUSE');
  assert.equal(second.listening, false);
  second.close();
});

async function listening(port: number, onConnection: (socket: Socket) => void): Promise<ConnectionListener> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const listener = new ConnectionListener({
    host,
    port,
    onConnection,
    onListening: resolve,
    onError: reject,
  });
  await promise;
  return listener;
}

function mostAtOnce(turns: readonly number[]): number {
  return Math.max(
    0,
    ...Map.groupBy(turns, (turn) => turn)
      .values()
      .map(({ length }) => length),
  );
}
