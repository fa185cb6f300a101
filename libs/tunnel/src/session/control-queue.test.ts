import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeReset } from '../frame/frame.ts';
import { ScopeRoom } from '../memory/scope-room.ts';
import { RawPeer } from '../raw-peer.ts';
import { TestClock, testEndpoint } from '../test-world.ts';
import { ControlQueue } from './control-queue.ts';

const frame = encodeReset(1, 5, 'no');

test('what one session has within its floor is nobody’s else, and the rest is taken from the room and given back', () => {
  const room = new ScopeRoom(10_000);
  const queue = new ControlQueue(1_000);
  const pushed = Array.from({ length: 30 }, () => queue.push(frame, { room, scope: 'g' }));
  assert.deepEqual([pushed.slice(0, 20).every(Boolean), pushed.at(-1)], [true, false]);
  assert.ok(room.used > 4_000 && room.used <= 5_000);
  for (let n = 0; n < 30; n += 1) assert.equal(queue.shift(), frame);
  assert.deepEqual([queue.shift(), queue.bytes, room.used], [undefined, 0, 0]);
});

test('clients of one gateway that ask and never read are cut before they have what others need', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node', {
    limits: { controlBytesPerProcessMax: 4_000_000, batchBytes: 10_000 },
  });
  const silent = await Promise.all(
    Array.from({ length: 8 }, (_, n) => RawPeer.join(clock, node, { scope: 'g', id: `c${n}` })),
  );
  const other = await RawPeer.join(clock, node, { scope: 'h' });
  for (const { raw } of [...silent, other]) raw.wire.swallows = true;
  for (let n = 0; n < 1_500; n += 1) {
    for (const { raw, session } of silent)
      if (!session.closed) raw.resume(1 + 2 * n, { id: 'another', bootId: 'process' });
    if (n < 300) other.raw.resume(1 + 2 * n, { id: 'another', bootId: 'process' });
    if (n % 20 === 0) await clock.advance(0);
  }
  const waiting = silent.filter(({ session }) => !session.closed).map(({ session }) => session.controlBytes);
  const sum = waiting.reduce((all, bytes) => all + bytes, 0);
  assert.ok(sum <= 2_100_000, `${sum} bytes wait for one gateway`);
  assert.ok(waiting.length < 8 && !other.session.closed);
});

test('what a session had waiting is free again when it is cut', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node', {
    limits: { controlBytesPerProcessMax: 400_000, batchBytes: 10_000 },
  });
  for (let round = 0; round < 5; round += 1) {
    const { raw, session } = await RawPeer.join(clock, node, { id: `c${round}` });
    raw.wire.swallows = true;
    for (let n = 0; n < 500; n += 1) raw.resume(1 + 2 * n, { id: 'another', bootId: 'process' });
    assert.ok(!session.closed, `round ${round}`);
    raw.wire.cut();
    await clock.advance(0);
  }
});
