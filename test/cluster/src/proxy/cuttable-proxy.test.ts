import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startEcho } from '../server/echo.ts';
import { exchange, startExchangeServer } from '../traffic/exchange.ts';
import { CuttableProxy } from './cuttable-proxy.ts';

test('an exchange through the proxy is whole, both ways at once, also while each way is delayed', async () => {
  await using server = await startExchangeServer();
  await using proxy = await CuttableProxy.listen(server);
  const wanted = { sendBytes: 3_000_001, receiveBytes: 5_000_003, seed: 7 };
  assert.deepEqual((await exchange(proxy, wanted)).cause, null);
  proxy.delay(15);
  const slow = await exchange(proxy, wanted);
  assert.equal(slow.ok, true, slow.cause ?? '');
  assert.ok(slow.milliseconds >= 30);
  assert.equal((await exchange(proxy, { sendBytes: 0, receiveBytes: 0, seed: 1 })).ok, true);
});

test('a cut resets what is open, and takes what is new', async () => {
  await using server = await startEcho();
  await using proxy = await CuttableProxy.listen(server);
  const socket = connect(proxy);
  socket.write('x');
  await once(socket, 'data');
  assert.equal(proxy.cut(), 1);
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  const next = connect(proxy);
  next.write('y');
  await once(next, 'data');
  next.destroy();
});

test('a black hole holds bytes back, and they arrive once it has healed', async () => {
  await using server = await startEcho();
  await using proxy = await CuttableProxy.listen(server);
  const socket = connect(proxy);
  socket.write('1');
  await once(socket, 'data');
  proxy.blackHole();
  let received = '';
  socket.on('data', (bytes: Buffer) => (received += String(bytes)));
  socket.write('2');
  await new Promise((resolve) => socket.write('3', resolve));
  const other = await startEcho();
  const witness = connect(other);
  witness.write('w');
  await once(witness, 'data');
  assert.equal(received, '');
  proxy.resume();
  while (received.length < 2) await once(socket, 'data');
  assert.equal(received, '23');
  witness.destroy();
  socket.destroy();
  await other.stop();
});

test('a proxy that refuses resets new connections and leaves those at hand alone', async () => {
  await using server = await startEcho();
  await using proxy = await CuttableProxy.listen(server);
  const socket = connect(proxy);
  socket.write('1');
  await once(socket, 'data');
  proxy.refuse();
  const refused = connect(proxy);
  await new Promise((resolve) => refused.on('error', () => {}).on('close', resolve));
  socket.write('2');
  await once(socket, 'data');
  socket.destroy();
});
