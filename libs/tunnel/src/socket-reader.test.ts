import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { adoptSocket, connectSocket, readSocket } from './socket-reader.ts';

const bytes = randomBytes(400_000);

/** Reads everything, giving the socket to another handler after the first read, paused, as callers do once they are taken. */
function readInTurn(socket: Socket): Promise<Buffer> {
  const read: Buffer[] = [];
  let calls = 0;
  const stop = readSocket(socket, (chunk, slab) => {
    calls += 1;
    read.push(Buffer.from(chunk));
    slab?.release();
    setImmediate(() => {
      stop();
      readSocket(socket, (next, nextSlab) => {
        read.push(Buffer.from(next));
        nextSlab?.release();
        return true;
      });
      socket.resume();
    });
    return false;
  });
  socket.resume();
  return once(socket, 'end').then(() => {
    assert.equal(calls, 1);
    return Buffer.concat(read);
  });
}

/** Resolves when the system has all of it, so that the first read at the other end fills the shared buffer. */
async function write(socket: Socket): Promise<void> {
  await new Promise((resolve) => socket.write(bytes, resolve));
  socket.end();
}

test('a socket that was found to be bulk is read on from where it was by its next handler', async () => {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  const accepting = once(server, 'connection') as Promise<[Socket]>;
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dialled = connectSocket({ port, host: '127.0.0.1' });
  const accepted = adoptSocket((await accepting)[0]);
  for (const [from, to] of [
    [dialled, accepted],
    [accepted, dialled],
  ] as const) {
    await write(from);
    assert.ok((await readInTurn(to)).equals(bytes));
  }
  server.close();
});

test('a socket that nobody prepared is read by its events', async () => {
  const server = createServer((socket) => socket.end(bytes));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  assert.ok((await readInTurn(socket)).equals(bytes));
  server.close();
});
