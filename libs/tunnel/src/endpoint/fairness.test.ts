import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, encodeReceived, FrameType } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { RawPeer } from '../raw-peer.ts';
import type { Stream } from '../stream/stream.ts';
import { patternBytes, TestClock, testEndpoint } from '../test-world.ts';

/** A node with streams that a raw peer opened, each with all the credit there is. */
async function world(streams: number, limits: Partial<Limits> = {}) {
  const clock = new TestClock();
  const taken: Stream[] = [];
  const node = testEndpoint(clock, 'node', {
    limits,
    onOpen: (stream) => {
      taken.push(stream);
      stream.accept();
    },
  });
  const { raw, session } = await RawPeer.join(clock, node);
  for (let i = 0; i < streams; i += 1) raw.open(1 + 2 * i, node.self, { limit: 1_000_000_000 });
  await clock.advance(5);
  raw.seen.length = 0;
  return { clock, node, raw, session, taken: taken as [Stream, ...Stream[]] };
}

test('bulk streams take turns', async () => {
  const { clock, raw, taken } = await world(4);
  for (const stream of taken) stream.write(Buffer.alloc(2_000_000));
  await clock.advance(0);
  const turns = raw.seen.filter(({ type }) => type === FrameType.Data).map(({ stream }) => stream);
  const firstHalf = turns.slice(0, turns.length >> 1);
  for (const number of [1, 3, 5, 7]) {
    const share = firstHalf.filter((stream) => stream === number).length / firstHalf.length;
    assert.ok(share > 0.15 && share < 0.35, `stream ${number} has ${share} of the first half`);
  }
});

test('a lone byte goes before the second turns of bulk streams, and control before that', async () => {
  const { clock, raw, session, taken } = await world(9);
  const [lone, ...bulk] = taken;
  for (const stream of bulk) stream.write(Buffer.alloc(2_000_000));
  // The first write is with the carrier when these come.
  const seenBefore = raw.seen.length;
  setOnFirstFrame(raw, seenBefore, () => {
    lone.writeCopy(Buffer.from('!'));
    session.sendControl({ kind: 'now' });
  });
  await clock.advance(0);
  const control = raw.seen.findIndex(({ type }) => type === FrameType.Control);
  const byte = raw.seen.findIndex(({ stream, payload }) => stream === 1 && payload.length === 1);
  assert.ok(control > 0 && control < byte);
  for (const stream of [3, 5, 7, 9, 11, 13, 15, 17]) {
    const frames = raw.seen.slice(0, byte).filter((frame) => frame.stream === stream);
    const sent = frames.reduce((sum, frame) => sum + frame.payload.length, 0);
    assert.ok(sent <= 140_000, `stream ${stream} sent ${sent} before it`);
  }
});

/** Runs `work` when the next frame arrives at the raw peer. */
function setOnFirstFrame(raw: RawPeer, seen: number, work: () => void): void {
  const handle = raw.handleBytes.bind(raw);
  let done = false;
  raw.handleBytes = (chunk) => {
    handle(chunk);
    if (done || raw.seen.length === seen) return;
    done = true;
    work();
  };
}

test('streams that always have something new do not starve one with more than its turn', async () => {
  const { clock, raw, taken } = await world(13);
  const [bulk, ...eager] = taken;
  bulk.write(Buffer.alloc(1_000_000));
  // Each eager one writes anew as soon as all of it has gone, so it never has more than its turn.
  const sent = new Map<number, number>();
  const speakAnew = (): void => {
    for (const { type, stream, payload } of raw.seen.splice(0))
      if (type === FrameType.Data) sent.set(stream, (sent.get(stream) ?? 0) + payload.length);
    for (const [i, stream] of eager.entries())
      if ((sent.get(3 + 2 * i) ?? 0) === stream.bytesSent) stream.write(Buffer.alloc(30_000));
  };
  const handle = raw.handleBytes.bind(raw);
  let rounds = 0;
  let bulkSent = 0;
  raw.handleBytes = (chunk) => {
    handle(chunk);
    if ((rounds += 1) > 300) return;
    speakAnew();
    bulkSent = sent.get(1) ?? 0;
  };
  speakAnew();
  await clock.advance(0);
  assert.ok(rounds > 300 && bulkSent > 300_000, `${bulkSent} bytes of 300 writes`);
});

test('a reader that never reads holds its window and stalls nobody', async () => {
  const { clock, node, raw, taken } = await world(2);
  const [stalled, other] = taken as [Stream, Stream];
  let received = 0;
  let held = 0;
  stalled.events = {
    onData: (piece) => {
      held += piece.length;
    },
  };
  other.events = {
    onData: (piece) => {
      received += piece.length;
      other.deliver(piece.length);
    },
  };
  for (let i = 0; i < 4; i += 1) raw.data(1, Buffer.alloc(65_536));
  for (let i = 0; i < 100; i += 1) {
    raw.data(3, patternBytes(0, 0, 60_000));
    await clock.advance(30);
  }
  assert.deepEqual([received, held], [6_000_000, 262_144]);
  assert.ok(node.memory.receiveReserved <= 2 * 262_144 + 65_536);
  assert.equal(raw.payloads(FrameType.Credit, 1).length, 0, 'no credit for who does not read');
});

test('a peer that never reads makes a sender keep its floor and budget, and no more', async () => {
  const { clock, node, taken } = await world(3, { sendBytesPerProcessMax: 100_000 });
  for (const stream of taken) {
    while (stream.room > 0) stream.write(Buffer.alloc(Math.min(8_192, stream.room)));
    assert.ok(stream.bufferedBytes >= 16_384, 'each has its floor');
  }
  await clock.advance(5);
  const kept = taken.reduce((sum, stream) => sum + stream.bufferedBytes, 0);
  assert.ok(kept <= 100_000 + 3 * 16_384, `${kept} bytes are kept`);
  assert.equal(node.memory.sendReserved, 100_000);
  for (const stream of taken) stream.reset(1, 'test');
  assert.deepEqual(node.memory, { sendReserved: 0, receiveReserved: 0 });
});

test('with the budgets out streams go on at their floor', async () => {
  const { clock, node, raw, taken } = await world(3, { receiveBytesPerSessionMax: 3 * 16_384 + 50 });
  const [first] = taken;
  let received = 0;
  first.events = {
    onData: (piece) => {
      received += piece.length;
      first.deliver(piece.length);
    },
  };
  for (let i = 0; i < 50; i += 1) {
    raw.data(1, Buffer.alloc(16_384));
    await clock.advance(30);
  }
  assert.equal(received, 50 * 16_384);
  assert.ok(node.memory.receiveReserved <= 3 * 16_384 + 50);
  raw.open(99, node.self);
  await clock.advance(5);
  assert.equal(raw.resets(99)[0]?.code, 9);
});

test('a datagram flood of one stream does not hold up the session', async () => {
  const { clock, raw, taken } = await world(2);
  const [flooding, other] = taken as [Stream, Stream];
  for (let i = 0; i < 10_000; i += 1) flooding.sendDatagram(Buffer.alloc(1_400));
  other.writeCopy(Buffer.from('!'));
  raw.send(encodeFrame(FrameType.Ping, 0, Buffer.alloc(8)));
  await clock.advance(0);
  const at = raw.seen.findIndex(({ stream }) => stream === 3);
  assert.ok(at >= 0 && raw.seen[0]?.type === FrameType.Pong);
  assert.ok(raw.payloads(FrameType.Datagram, 1).length <= 262_144 / 1_400);
});

test('beside a conversation of short pieces no more bulk goes than the peer reads', async () => {
  const { clock, raw, taken } = await world(2);
  const [lone, bulk] = taken as [Stream, Stream];
  const dataBytes = (): number =>
    raw.seen
      .filter(({ type, stream }) => type === FrameType.Data && stream === 3)
      .reduce((sum, { payload }) => sum + payload.length, 0);
  raw.send(encodeReceived(0));
  bulk.write(Buffer.alloc(900_000));
  await clock.advance(1);
  assert.equal(dataBytes(), 900_000);
  for (let i = 0; i < 6; i += 1) {
    lone.writeCopy(Buffer.from('!'));
    await clock.advance(60);
  }
  bulk.write(Buffer.alloc(900_000));
  await clock.advance(60);
  assert.equal(dataBytes(), 900_000);
  lone.writeCopy(Buffer.from('!'));
  await clock.advance(1);
  assert.equal(raw.payloads(FrameType.Data, 1).length, 7);
  raw.send(encodeReceived(900_000));
  await clock.advance(1);
  assert.ok(dataBytes() > 980_000 && dataBytes() < 1_200_000, `${dataBytes()} bytes`);
  for (let i = 0; i < 10; i += 1) {
    raw.send(encodeReceived(dataBytes()));
    await clock.advance(1);
  }
  assert.equal(dataBytes(), 1_800_000);
});

test('the short ends of bulk are no conversation: bulk goes on without a limit', async () => {
  const { clock, raw, taken } = await world(1);
  const [bulk] = taken as [Stream];
  raw.send(encodeReceived(0));
  bulk.write(Buffer.alloc(600_000));
  await clock.advance(1);
  for (let i = 0; i < 10; i += 1) {
    bulk.write(Buffer.alloc(10_000));
    await clock.advance(60);
    bulk.writeCopy(Buffer.alloc(1_000));
    await clock.advance(60);
  }
  bulk.write(Buffer.alloc(900_000));
  await clock.advance(1);
  const sent = raw.payloads(FrameType.Data, 1).reduce((sum, { length }) => sum + length, 0);
  assert.equal(sent, 600_000 + 10 * 11_000 + 900_000);
});

test('a peer that says to have read what was never sent breaks the protocol', async () => {
  const { clock, raw, session } = await world(1);
  raw.send(encodeReceived(1_000_000));
  await clock.advance(1);
  assert.equal(session.closed, true);
});
