import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { onFirstRecord } from './first-record.ts';

/** What comes in pieces, and how often and after which piece it was found whole. */
async function foundAfter(pieces: readonly Buffer[]): Promise<{ found: number[]; unread: Buffer }> {
  const socket = new Duplex({ read: () => {}, write: (_bytes, _encoding, done) => done() });
  const found: number[] = [];
  let came = 0;
  onFirstRecord(socket as Socket, () => found.push(came));
  for (const piece of pieces) {
    came += 1;
    socket.push(piece);
    await setImmediate();
  }
  const unread: Buffer[] = [];
  for (let piece = socket.read(); piece !== null; piece = socket.read()) unread.push(piece as Buffer);
  return { found, unread: Buffer.concat(unread) };
}

function bytesOf(whole: Buffer): Buffer[] {
  return Array.from(whole, (byte) => Buffer.of(byte));
}

test('a first record that comes byte by byte is found once, with its last byte, and is unread then', async () => {
  const record = Buffer.concat([Buffer.of(22, 3, 1, 0, 40), Buffer.alloc(40, 7)]);
  const { found, unread } = await foundAfter(bytesOf(record));
  assert.deepEqual(found, [record.length]);
  assert.ok(unread.equals(record));
});

test('what is no record is found with its fifth byte', async () => {
  const { found, unread } = await foundAfter(bytesOf(Buffer.from('GET / HTTP/1.1')).slice(0, 5));
  assert.deepEqual(found, [5]);
  assert.equal(unread.toString(), 'GET /');
});

test('a record that says that it is longer than one may be is found when it is as long as one may be', async () => {
  const begun = Buffer.concat([Buffer.of(22, 3, 1, 0xff, 0xff), Buffer.alloc(16_383)]);
  assert.deepEqual((await foundAfter([begun])).found, []);
  assert.deepEqual((await foundAfter([begun, Buffer.of(0)])).found, [2]);
});
