import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import type { Carrier } from './carrier.ts';
import { webSocketCarrier, webSocketMessageBytesMax } from './websocket-carrier.ts';

/** Two ends over a real WebSocket, and what arrived at the right one. */
async function ends(t: TestContext) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: webSocketMessageBytesMax });
  await once(server, 'listening');
  const accepting = once(server, 'connection') as Promise<[WebSocket]>;
  const dialled = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [[accepted]] = await Promise.all([accepting, once(dialled, 'open')]);
  t.after(() => {
    dialled.terminate();
    server.close();
  });
  const left = webSocketCarrier(dialled, '127.0.0.1:1');
  const right = webSocketCarrier(accepted, '127.0.0.1:2');
  left.start({ handleBytes: () => {}, handleClose: () => {} });
  return { server, left, right, dialled, accepted, ...collect(right) };
}

function collect(carrier: Carrier): { bytes: () => Buffer; closed: Promise<Error | null> } {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<Error | null>();
  carrier.start({ handleBytes: (chunk) => chunks.push(chunk), handleClose: resolve });
  return { bytes: () => Buffer.concat(chunks), closed: promise };
}

test('bytes come as they were written, and done is called for each write', async (t) => {
  const { left, bytes, closed } = await ends(t);
  for (const text of ['one ', 'two ', 'three'])
    await new Promise<void>((resolve) => left.write(Buffer.from(text), resolve));
  left.end(Buffer.from('!'));
  assert.equal(await closed, null);
  assert.equal(bytes().toString(), 'one two three!');
});

test('last frames longer than a message go in several', async (t) => {
  const { left, bytes, closed } = await ends(t);
  const last = Buffer.alloc(3 * webSocketMessageBytesMax + 5, 7);
  left.end(last);
  await closed;
  assert.ok(bytes().equals(last));
});

test('a text message closes the carrier', async (t) => {
  const { dialled, bytes, closed } = await ends(t);
  const closing = once(dialled, 'close') as Promise<[number]>;
  dialled.send('text');
  assert.deepEqual((await closing)[0], 1003);
  await closed;
  assert.equal(bytes().length, 0);
});

test('so does an empty message, and who goes on with them is cut at once', async (t) => {
  const { dialled, bytes, closed } = await ends(t);
  dialled.on('error', () => {});
  const closing = once(dialled, 'close');
  // Who floods does not answer that the carrier closes.
  dialled.close = () => {};
  for (let left = 10; left > 0; left -= 1) dialled.send(Buffer.alloc(0));
  await closed;
  await closing;
  assert.equal(bytes().length, 0);
});

test('a message longer than webSocketMessageBytesMax closes the carrier', async (t) => {
  const { dialled, bytes, closed } = await ends(t);
  dialled.on('error', () => {});
  dialled.send(Buffer.alloc(webSocketMessageBytesMax + 1));
  assert.ok((await closed) instanceof Error);
  assert.equal(bytes().length, 0);
});

test('who breaks the protocol is cut soon, though it does not agree to the end', async (t) => {
  const { server } = await ends(t);
  const accepting = once(server, 'connection') as Promise<[WebSocket]>;
  const { port } = server.address() as AddressInfo;
  const stubborn = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => stubborn.destroy());
  stubborn.on('error', () => {});
  const key = Buffer.alloc(16).toString('base64');
  const head = ['GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket'];
  stubborn.write([...head, 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, '', ''].join('\r\n'));
  const { closed } = collect(webSocketCarrier((await accepting)[0], '127.0.0.1:3'));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  stubborn.write(Buffer.alloc(100, 0xff));
  assert.ok((await closed) instanceof Error);
});

for (const kind of ['message', 'pong'] as const)
  test(`what comes as ${kind}s of one byte is taken in turns`, async (t) => {
    const { dialled, right, accepted } = await ends(t);
    const count = 20_000;
    const seen = { taken: 0, inTurn: 0, most: 0 };
    accepted.on(kind, () => {
      seen.taken += 1;
      seen.inTurn += 1;
      seen.most = Math.max(seen.most, seen.inTurn);
    });
    right.pause();
    const byte = Buffer.alloc(1);
    await new Promise<void>((resolve) => {
      for (let left = count; left > 0; left -= 1) {
        const done = left === 1 ? () => resolve() : () => {};
        if (kind === 'pong') dialled.pong(byte, true, done);
        else dialled.send(byte, done);
      }
    });
    right.resume();
    while (seen.taken < count) {
      await nextTurn();
      seen.inTurn = 0;
    }
    assert.ok(seen.most < 12_000, `${seen.most} in one turn`);
  });

test('a carrier that its session has paused is not read on in the next turn', async (t) => {
  const { dialled, right, accepted, bytes } = await ends(t);
  const count = 20_000;
  const paused = Promise.withResolvers<void>();
  let taken = 0;
  accepted.on('message', () => {
    taken += 1;
    if (taken !== 256) return;
    right.pause();
    paused.resolve();
  });
  for (let left = count; left > 0; left -= 1) dialled.send(Buffer.alloc(1));
  await paused.promise;
  const before = bytes().length;
  for (let turns = 50; turns > 0; turns -= 1) await nextTurn();
  assert.equal(bytes().length, before);
  for (; bytes().length < count; await nextTurn()) right.resume();
});
