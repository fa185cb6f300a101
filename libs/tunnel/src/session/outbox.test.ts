import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Carrier } from '../carrier/carrier.ts';
import { systemClock } from '../clock.ts';
import { Flight, ShortTraffic } from '../carrier/flight.ts';
import { FrameType, encodeFrame } from '../frame/frame.ts';
import { defaultLimits } from '../limit.ts';
import { ScopeRoom } from '../memory/scope-room.ts';
import { Outbox, type Speaker } from './outbox.ts';

/** An outbox whose carrier keeps each write, as one that is done only in a later turn does; or is done when `done` is called. */
function heldOutbox(
  written: Buffer[],
  held: (done: () => void) => void = () => {},
  soon = (work: () => void): void => work(),
): Outbox {
  const carrier: Carrier = {
    transport: 'memory',
    remoteAddress: '',
    start: () => {},
    pause: () => {},
    resume: () => {},
    write: (bytes, done) => {
      written.push(bytes);
      held(done);
    },
    end: () => {},
    destroy: () => {},
  };
  return new Outbox({
    carrier,
    clock: { ...systemClock, soon },
    limits: defaultLimits,
    flight: new Flight(new ShortTraffic()),
    roundTripMs: () => null,
    controlRoom: () => ({ room: new ScopeRoom(0), scope: 'g' }),
  });
}

test('short writes of many sessions that are under way at once hold no more memory than their bytes are worth', () => {
  const written: Buffer[] = [];
  const ping = encodeFrame(FrameType.Ping, 0, Buffer.alloc(8, 7));
  for (let count = 0; count < 200; count += 1) heldOutbox(written).sendControl(ping);
  assert.equal(written.length, 200);
  assert.ok(written.every((bytes) => bytes.equals(ping)));
  const memories = new Set(written.map(({ buffer }) => buffer));
  const held = [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.ok(held < 200 * 1024, `${held} bytes are held`);
});

test('a long write is not copied, and what it lies in serves no other until it is done', () => {
  const written: Buffer[] = [];
  const long = encodeFrame(FrameType.Control, 0, Buffer.alloc(60_000, 1));
  const other = encodeFrame(FrameType.Control, 0, Buffer.alloc(60_000, 2));
  heldOutbox(written).sendControl(long);
  heldOutbox(written).sendControl(other);
  assert.deepEqual(written, [long, other]);
  assert.notEqual(written[0]?.buffer, written[1]?.buffer);
});

test('the short end of bulk that finds no room in a write has not spoken', () => {
  const outbox = heldOutbox([]);
  const speaker: Speaker = { queuedIn: null, shortTurns: 0, backlog: 366, writeTo: () => true };
  for (let turn = 0; turn < 8; turn += 1) {
    outbox.schedule(speaker);
    outbox.leave(speaker);
  }
  assert.equal(speaker.shortTurns, 0);
});

/** Has `count` payloads of 32 KiB, each in memory of its own with room for a header in front. */
function bulkOf(id: number, count: number): Speaker {
  const payload = 32_768;
  const memory = Buffer.alloc(count * (8 + payload), id);
  let sent = 0;
  return {
    queuedIn: null,
    shortTurns: 0,
    get backlog() {
      return (count - sent) * payload;
    },
    writeTo: (batch) => {
      const at = sent * (8 + payload) + 8;
      const bytes = memory.subarray(at, at + payload);
      const lies = { bytes, headroom: true, first: true, cut: false, slab: null };
      if (batch.room >= payload && batch.addData(id, lies)) sent += 1;
      return sent < count;
    },
  };
}

test('bulk of one stream fills a write as it lies, and those of others have the next ones', () => {
  const written: Buffer[] = [];
  let done = (): void => {};
  const outbox = heldOutbox(written, (call) => (done = call));
  outbox.sendControl(encodeFrame(FrameType.Ping, 0, Buffer.alloc(8)));
  for (const id of [1, 2, 3]) outbox.schedule(bulkOf(id, 8));
  while (written.length < 7) done();
  const streams = written.slice(1).map((bytes) => bytes.at(-1));
  assert.deepEqual(streams, [1, 2, 3, 1, 2, 3]);
  assert.ok(written.slice(1).every(({ length }) => length === 4 * 32_776));
});

test('where twelve streams have something to say they do not wait for the end of the turn', async () => {
  const written: Buffer[] = [];
  const outbox = heldOutbox(
    written,
    () => {},
    () => {},
  );
  for (let id = 1; id < 12; id += 1) outbox.schedule(bulkOf(id, 1));
  await setImmediate();
  assert.equal(written.length, 0);
  outbox.schedule(bulkOf(12, 1));
  await setImmediate();
  assert.equal(written.length, 1);
});
