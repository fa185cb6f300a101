import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { linkScope } from './peer.ts';
import type { Session } from './session.ts';
import type { Stream } from '../stream/stream.ts';
import { connect, TestClock, testEndpoint, Wire } from '../test-world.ts';

const mib = 2 ** 20;
const shortMs = 0.1;
const longMs = 100;
const zeros = Buffer.alloc(65_528);

/**
 * A node that streams to a client over a way that has become long after it was short for a while: its own, or one of those
 * to and from a relay. It begins when the way is long, or has carried `bytesBefore` until then. Returns what has a second pass,
 * and how many bytes came in it.
 */
async function startOnGrownWay(
  slow: 'direct' | 'near' | 'far',
  bytesBefore = 0,
): Promise<() => Promise<number>> {
  const relayed = slow !== 'direct';
  const clock = new TestClock();
  const limits = { windowBytesMax: mib, relayBytesPerStreamMax: mib };
  let received = 0;
  const take = (stream: Stream): void => {
    stream.events = {
      onData: (piece) => {
        received += piece.length;
        stream.deliver(piece.length);
      },
    };
    stream.accept();
  };
  const client = testEndpoint(clock, 'client', { limits, onOpen: take });
  const node = testEndpoint(clock, 'node', { limits });
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    limits,
    relayTo: (_session, { to }) => [...middle.sessions].find((s) => s.usable && s.peer.id === to.id) ?? null,
  });
  const wire = new Wire(clock);
  wire.delayMs = shortMs;
  const other = new Wire(clock);
  await connect(clock, relayed ? middle : node, client, {
    trusted: true,
    wire: slow === 'near' ? other : wire,
  });
  if (relayed)
    await connect(clock, node, middle, {
      trusted: true,
      scope: linkScope,
      wire: slow === 'near' ? wire : other,
    });
  let left = bytesBefore;
  const fill = (): void => {
    for (let bytes = 1; bytes > 0; left -= bytes) {
      bytes = Math.max(0, Math.min(zeros.length, stream.room, left));
      if (bytes > 0) stream.write(zeros.subarray(0, bytes));
    }
  };
  await clock.advance(20_000);
  if (bytesBefore === 0) wire.delayMs = longMs;
  const stream = node.open([...node.sessions][0] as Session, {}, client.self, 'g');
  stream.events = { onOpened: fill, onRoom: fill };
  if (bytesBefore > 0) {
    await clock.advance(20_000);
    assert.equal(received, bytesBefore);
    wire.delayMs = longMs;
  }
  left = Number.POSITIVE_INFINITY;
  fill();
  return async () => {
    const before = received;
    await clock.advance(1_000);
    return received - before;
  };
}

for (const slow of ['direct', 'near', 'far'] as const)
  test(`a session whose way becomes long gives its streams windows for it within half a minute: ${slow}`, async () => {
    const second = await startOnGrownWay(slow);
    for (let passed = 0; passed < 30; passed += 1) await second();
    // 1 MiB each 200 ms, and with a first window a quarter of that for ever.
    const bytes = await second();
    assert.ok(bytes > 4 * mib, `${bytes} bytes in a second`);
  });

for (const slow of ['direct', 'near', 'far'] as const)
  test(`so it does those that were open before, and had not grown: ${slow}`, async () => {
    const second = await startOnGrownWay(slow, 384 * 1024);
    for (let passed = 0; passed < 40; passed += 1) await second();
    const bytes = await second();
    assert.ok(bytes > 3 * mib, `${bytes} bytes in a second`);
  });
