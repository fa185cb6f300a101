import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { adoptSocket, carrierReads, connectSocket, readSocket, SocketReader } from './socket-reader.ts';

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

/** Reads so many bytes after one another; tells for each whether it lay in a slab. */
function readsInSlab(reader: SocketReader, sizes: readonly number[]): boolean[] {
  const inSlab: boolean[] = [];
  reader.handler = (_bytes, slab) => {
    inSlab.push(slab !== null);
    slab?.release();
    return true;
  };
  for (const size of sizes) {
    assert.ok(reader.onread.buffer().length >= size);
    reader.onread.callback(size);
  }
  return inSlab;
}

test('a carrier keeps its slab when a short record comes between full ones', () => {
  const reader = new SocketReader(carrierReads);
  const writeOfBulk = [16_384, 16_384, 16_384, 200];
  const inSlab = readsInSlab(reader, [...writeOfBulk, ...writeOfBulk, ...writeOfBulk]);
  assert.deepEqual(
    inSlab.map((yes, index) => yes || index),
    [0, ...Array.from({ length: 11 }, () => true)],
  );
  reader.release();
});

test('a carrier on which only short records come shares the common buffer again', () => {
  const reader = new SocketReader(carrierReads);
  const short = Array.from({ length: carrierReads.shortReadsMax }, () => 100);
  assert.equal(readsInSlab(reader, [16_384, 16_384, ...short]).at(-1), true);
  assert.deepEqual(readsInSlab(reader, [100, 16_384]), [false, false]);
  assert.deepEqual(readsInSlab(reader, [16_384]), [true]);
  reader.release();
});
