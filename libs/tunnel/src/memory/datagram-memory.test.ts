import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datagramMemory, datagramMemoryBytesMax } from './datagram-memory.ts';
import { ScopeRoom } from './scope-room.ts';
import { DatagramQueue } from '../stream/datagram-queue.ts';
import { EarlyDatagrams } from '../socket/early-datagrams.ts';
import { defaultLimits } from '../limit.ts';

const { datagramBytesMax } = defaultLimits;

/** So many flows of a gateway, each with more datagrams than it may keep. */
function flood(scope: string, flows: number, bytes: number): DatagramQueue[] {
  const each = datagramBytesMax / (bytes + 8) + 1;
  const datagram = Buffer.alloc(bytes);
  return Array.from({ length: flows }, () => {
    const queue = new DatagramQueue(scope, datagramBytesMax);
    for (let sent = 0; sent < each; sent += 1) queue.push(datagram);
    return queue;
  });
}

test('what waits of all flows of a gateway has half of the memory, and small datagrams cost what they cost', () => {
  // Other tests of this process may have left some.
  const { used } = datagramMemory;
  for (const bytes of [0, 1_400, 65_000]) {
    const queues = flood('one', bytes === 0 ? 20 : 1_000, bytes);
    const half = (datagramMemoryBytesMax - used) / 2;
    const taken = datagramMemory.used - used;
    assert.ok(taken <= half && taken > half - 70_000, `${bytes}: ${taken}`);
    for (const queue of queues) queue.clear();
    assert.equal(datagramMemory.used, used);
  }
});

test('whoever floods, the datagrams of another gateway find room', () => {
  const { used } = datagramMemory;
  const queues = ['one', 'two', 'three', 'four'].flatMap((scope) => flood(scope, 1_000, 1_400));
  const queue = new DatagramQueue('five', datagramBytesMax);
  const early = new EarlyDatagrams('five');
  for (let sent = 0; sent < 100; sent += 1) {
    assert.equal(queue.push(Buffer.alloc(1_400)), 0);
    assert.equal(early.push(Buffer.alloc(1_400)), true);
  }
  early.clear();
  for (const one of [queue, ...queues]) one.clear();
  assert.equal(datagramMemory.used, used);
});

test('where its gateway has no more memory a new datagram pushes out the oldest of its own flow, and else is dropped', () => {
  const queues = flood('one', 600, 1_400);
  const [full] = queues;
  assert.ok(full !== undefined);
  assert.equal(full.push(Buffer.alloc(1_400)), 1);
  const empty = new DatagramQueue('one', datagramBytesMax);
  assert.equal(empty.push(Buffer.alloc(65_000)), 1);
  assert.equal(empty.first, undefined);
  for (const queue of queues) queue.clear();
});

test('what was given back can be taken again', () => {
  const memory = new ScopeRoom(1_280);
  const empty = Buffer.alloc(0);
  assert.deepEqual(
    [memory.take('one', empty), memory.take('one', empty), memory.take('one', empty)],
    [true, true, false],
  );
  assert.equal(memory.take('two', empty), true);
  memory.give('one', empty);
  memory.give('one', empty);
  assert.deepEqual([memory.take('two', empty), memory.used], [true, 512]);
});
