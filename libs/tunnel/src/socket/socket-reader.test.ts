import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type TLSSocket, connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { makePair } from '../carrier/test-pair.ts';
import {
  type ReadHandler,
  adoptSocket,
  carrierReads,
  connectSocket,
  readSocket,
  SocketReader,
} from './socket-reader.ts';

const bytes = randomBytes(400_000);

/**
 * Reads everything, giving the socket to another handler after the first read, or after the first that lies in a slab,
 * paused, as callers do once they are taken.
 */
function readInTurn(socket: Socket, after: 'first' | 'slab'): Promise<Buffer> {
  const read: Buffer[] = [];
  let calls = 0;
  const stop = readSocket(socket, (chunk, slab) => {
    read.push(Buffer.from(chunk));
    slab?.release();
    if (after === 'slab' && slab === null) return true;
    calls += 1;
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

/** Both ends of one connection. */
async function pair(): Promise<{ server: Server; dialled: Socket; accepted: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  const accepting = once(server, 'connection') as Promise<[Socket]>;
  await once(server, 'listening');
  const dialled = connectSocket({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [accepted] = await accepting;
  adoptSocket(accepted);
  return { server, dialled, accepted };
}

/** Resolves when the system has all of it, so that the reads at the other end fill their buffers. */
async function write(socket: Socket): Promise<void> {
  await new Promise((resolve) => socket.write(bytes, resolve));
  socket.end();
}

test('a socket that was found to be bulk is read on from where it was by its next handler', async () => {
  const { server, dialled, accepted } = await pair();
  for (const [from, to] of [
    [dialled, accepted],
    [accepted, dialled],
  ] as const) {
    await write(from);
    assert.ok((await readInTurn(to, 'slab')).equals(bytes));
  }
  server.close();
});

test('no more is read than there is memory for, and all of it once there is', async () => {
  const { server, dialled, accepted } = await pair();
  const floorBytes = 16_384;
  for (const [from, to] of [
    [dialled, accepted],
    [accepted, dialled],
  ] as const) {
    await write(from);
    const read: Buffer[] = [];
    const inSlab: boolean[] = [];
    const paused = Promise.withResolvers<void>();
    let freeBytes = floorBytes;
    const handle: ReadHandler = (chunk, slab) => {
      read.push(Buffer.from(chunk));
      inSlab.push(slab !== null);
      slab?.release();
      freeBytes -= chunk.length;
      if (freeBytes <= 0) paused.resolve();
      return freeBytes > 0;
    };
    readSocket(to, handle, () => freeBytes);
    to.resume();
    await paused.promise;
    const bytesRead = Buffer.concat(read).length;
    assert.ok(bytesRead < floorBytes + 4_096, `${bytesRead} bytes`);
    assert.ok(!inSlab.includes(true));
    freeBytes = Infinity;
    to.resume();
    await once(to, 'end');
    assert.ok(Buffer.concat(read).equals(bytes));
    assert.ok(inSlab.includes(true));
  }
  server.close();
});

test('a reader lets its slab go when there is no memory for a read', () => {
  const reader = new SocketReader();
  let freeBytes = Infinity;
  reader.freeBytes = () => freeBytes;
  assert.deepEqual(readsInSlab(reader, [65_536, 65_528]), [false, true]);
  freeBytes = 0;
  assert.deepEqual(readsInSlab(reader, [4_096, 4_096]), [false, false]);
  assert.ok(reader.onread.buffer().length <= 4_096);
  reader.release();
});

test('a socket that nobody prepared is read by its events', async () => {
  const server = createServer((socket) => socket.end(bytes));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  assert.ok((await readInTurn(socket, 'first')).equals(bytes));
  server.close();
});

test('records of one byte are read in turns', async () => {
  const key = makePair();
  const server = createTlsServer({ ...key, minVersion: 'TLSv1.3', pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepting = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const { port } = server.address() as AddressInfo;
  const caller = connectTls({ port, host: '127.0.0.1', ca: key.cert, servername: 'localhost' });
  const [socket] = await accepting;
  const records = 10_000;
  const first = Promise.withResolvers<void>();
  const read: Buffer[] = [];
  let [inTurn, most] = [0, 0];
  readSocket(socket, (chunk) => {
    read.push(Buffer.from(chunk));
    inTurn += 1;
    most = Math.max(most, inTurn);
    first.resolve();
    return read.length > 1;
  });
  socket.resume();
  // Each is a record only when the one before it has left. They wait behind the first, which pauses.
  for (let sent = 0; sent < records; sent += 1) {
    await new Promise<void>((resolve) => caller.write(bytes.subarray(sent, sent + 1), () => resolve()));
    await first.promise;
  }
  socket.resume();
  while (read.length < records) {
    await nextTurn();
    inTurn = 0;
  }
  socket.destroy();
  caller.destroy();
  server.close();
  assert.ok(Buffer.concat(read).equals(bytes.subarray(0, records)));
  assert.ok(most < 4_000, `${most} in one turn`);
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
