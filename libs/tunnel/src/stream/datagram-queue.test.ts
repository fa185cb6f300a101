import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatagramQueue } from './datagram-queue.ts';
import { payloadBytesMax } from '../limit.ts';

function drain(queue: DatagramQueue): Buffer[] {
  const all: Buffer[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) all.push(next);
  return all;
}

test('datagrams keep their order and sizes', () => {
  const queue = new DatagramQueue('g', 1_000);
  for (const size of [3, 0, 100]) queue.push(Buffer.alloc(size, size));
  assert.deepEqual(
    drain(queue).map((datagram) => datagram.length),
    [3, 0, 100],
  );
});

test('a new datagram pushes out the oldest when there is no room', () => {
  const queue = new DatagramQueue('g', 1_000);
  let dropped = 0;
  for (let i = 0; i < 10; i += 1) dropped += queue.push(Buffer.alloc(200, i));
  const kept = drain(queue);
  assert.deepEqual(
    kept.map((datagram) => datagram[0]),
    [6, 7, 8, 9],
  );
  assert.equal(dropped, 6);
});

test('empty datagrams are bounded too', () => {
  const queue = new DatagramQueue('g', 1_000);
  for (let i = 0; i < 1_000; i += 1) queue.push(Buffer.alloc(0));
  assert.ok(drain(queue).length <= 125);
});

test('a full queue of empty datagrams costs no more than a short one for each that comes', () => {
  const timeOf = (bytesMax: number): number => {
    const queue = new DatagramQueue('g', bytesMax);
    const empty = Buffer.alloc(0);
    const since = performance.now();
    for (let i = 0; i < 60_000; i += 1) queue.push(empty);
    const ms = performance.now() - since;
    queue.clear();
    return ms;
  };
  timeOf(1_000);
  const shortMs = timeOf(1_000);
  const longMs = timeOf(262_144);
  assert.ok(longMs < 20 * shortMs, `${longMs} ms and ${shortMs} ms`);
});

test('one that no frame can hold is dropped', () => {
  const queue = new DatagramQueue('g', 1_000_000);
  assert.equal(queue.push(Buffer.alloc(payloadBytesMax + 1)), 1);
  assert.equal(queue.push(Buffer.alloc(payloadBytesMax)), 0);
  assert.equal(drain(queue).length, 1);
});

test('a queued datagram is a copy', () => {
  const queue = new DatagramQueue('g', 1_000);
  const bytes = Buffer.from('a');
  queue.push(bytes);
  bytes[0] = 0;
  assert.equal(queue.shift()?.toString(), 'a');
});
