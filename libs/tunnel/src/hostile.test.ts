/**
 * Garbage and broken conversations into an endpoint: whatever comes, the session goes on or ends with a `TunnelError`,
 * nothing else is thrown, memory stays within its bounds and other sessions notice nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TunnelError } from './error.ts';
import {
  encodeAnswer,
  encodeBody,
  encodeCredit,
  encodeFrame,
  encodeGoAway,
  encodeOpen,
  encodeReset,
  encodeResume,
  FrameType,
} from './frame/frame.ts';
import { rawKey, rawName, RawPeer } from './raw-peer.ts';
import { connect, TestClock, testEndpoint, TestOwner } from './test-world.ts';

const node = { id: 'node', bootId: 'node-boot' };
const offset = fc.oneof(fc.nat(300_000), fc.constantFrom(0, 2 ** 32, Number.MAX_SAFE_INTEGER));
const number = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(0xffff_fffd, 0xffff_ffff));
const attempt = fc.oneof(fc.nat(5), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff));
const key = fc.nat(12).map(rawKey);
const body = fc.oneof(
  { weight: 4, arbitrary: fc.constant<unknown>({ from: rawName, to: node, meta: {} }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>({ from: rawName, to: { id: 'x', bootId: 'y' } }, null, [], 7, {
      from: 1,
      to: {},
    }),
  },
);
const code = fc.nat(20);
const text = fc.string({ maxLength: 30 });

/** Frames that are well-formed, and may come at the wrong moment, for the wrong stream, with the wrong numbers. */
const frame: fc.Arbitrary<Buffer> = fc.oneof(
  fc.record({ number, key, attempt, limit: offset, body }).map((f) => encodeOpen(f.number, f)),
  fc
    .record({ number, key, attempt, received: offset, limit: offset, body })
    .map((f) => encodeResume(f.number, f)),
  fc
    .record({
      type: fc.constantFrom(FrameType.Opened, FrameType.Resumed),
      number,
      attempt,
      received: offset,
      limit: offset,
    })
    .map((f) => encodeAnswer(f.type, f.number, f)),
  fc
    .record({ number, size: fc.integer({ min: 1, max: 65_536 }) })
    .map((f) => encodeFrame(FrameType.Data, f.number, Buffer.alloc(f.size))),
  fc
    .record({ number, delivered: offset, limit: offset })
    .map((f) => encodeCredit(f.number, f.delivered, f.limit)),
  number.map((n) => encodeFrame(FrameType.Fin, n, Buffer.alloc(0))),
  fc.record({ number, code, text }).map((f) => encodeReset(f.number, f.code, f.text)),
  fc.record({ number, code, text }).map((f) => encodeGoAway(f.number, f.code, f.text)),
  fc.constantFrom(
    encodeFrame(FrameType.Ping, 0, Buffer.alloc(8, 1)),
    encodeFrame(FrameType.Pong, 0, Buffer.alloc(8, 255)),
    encodeBody(FrameType.Control, { kind: 'end' }),
    encodeFrame(FrameType.Datagram, 1, Buffer.alloc(100)),
    encodeFrame(77, 1, Buffer.alloc(10)),
  ),
);

interface Mutation {
  at: number;
  kind: 'flip' | 'cut' | 'double';
  value: number;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('flip' as const, 'cut' as const, 'double' as const),
  value: fc.nat(255),
});

function mutate(bytes: Buffer, { at, kind, value }: Mutation): Buffer {
  if (bytes.length === 0) return bytes;
  const where = at % bytes.length;
  if (kind === 'cut')
    return Buffer.concat([bytes.subarray(0, where), bytes.subarray(where + 1 + (value % 20))]);
  if (kind === 'double')
    return Buffer.concat([bytes.subarray(0, where), bytes.subarray(Math.max(0, where - value))]);
  const changed = Buffer.from(bytes);
  changed[where] = value;
  return changed;
}

const limits = {
  receiveBytesPerSessionMax: 2_000_000,
  receiveBytesPerProcessMax: 3_000_000,
  sendBytesPerProcessMax: 500_000,
  controlBytesMax: 200_000,
  tombstonesMax: 20,
};

/** Plays chunks to a node that has an honest session beside; checks everything that must hold. */
async function play(chunks: Buffer[], inHandshake: boolean): Promise<void> {
  const clock = new TestClock();
  const causes: unknown[] = [];
  const middle = testEndpoint(clock, 'node', {
    limits,
    onOpen: (stream) => {
      stream.events = {
        onData: (piece) => stream.deliver(piece.length),
        onEnd: () => {
          stream.deliverEnd();
          stream.end();
        },
      };
      stream.accept();
      stream.writeCopy(Buffer.from('hello'));
    },
    onSessionClose: (_session, cause) => {
      causes.push(cause);
    },
    relayTo: () => honest.left,
  });
  const accepted: TestOwner[] = [];
  const client = testEndpoint(clock, 'client', {
    onOpen: (stream) => {
      if ((stream.metadata as { honest?: boolean } | undefined)?.honest !== true) return stream.reset(2, '');
      accepted.push(new TestOwner(stream, 1, 0));
      stream.accept();
    },
  });
  const honest = await connect(clock, middle, client);
  const owner = new TestOwner(middle.open(honest.left, { honest: true }), 0, 1);
  await clock.advance(5);
  let raw: RawPeer;
  if (inHandshake) {
    raw = new RawPeer(clock);
    middle
      .accept(raw.wire.left, {
        hello: {},
        authenticate: () => Promise.resolve({ peer: { scope: 'g', ...rawName }, welcome: {} }),
      })
      .catch((error: unknown) => causes.push(error));
  } else {
    const joined = await RawPeer.join(clock, middle);
    raw = joined.raw;
    middle.open(joined.session, {}).writeCopy(Buffer.alloc(5_000));
  }
  for (const [i, chunk] of chunks.entries()) {
    raw.send(chunk);
    owner.write(5_000);
    if (i % 3 === 0) await clock.advance(1);
    assert.ok(middle.memory.receiveReserved <= limits.receiveBytesPerProcessMax);
    assert.ok(middle.memory.sendReserved <= limits.sendBytesPerProcessMax);
  }
  await clock.advance(200);
  for (const cause of causes) assert.ok(cause instanceof TunnelError, String(cause));
  assert.equal(honest.left.closed, false);
  assert.equal(accepted[0]?.received, owner.written);
  assert.equal(owner.reset, null);
  raw.wire.cut();
  await clock.advance(130_000);
  assert.equal(honest.left.closed, false);
  assert.equal(middle.streams.size, 1, 'only the honest stream is left');
  assert.equal(honest.left.streamCount, 1);
}

const numRuns = Number(process.env.POSTERN_TEST_SCHEDULES ?? 60);

test('random bytes end a session and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 10 }),
      fc.boolean(),
      (chunks, inHandshake) =>
        play(
          chunks.map((chunk) => Buffer.from(chunk)),
          inHandshake,
        ),
    ),
    { numRuns },
  );
});

test('well-formed frames in any order end a stream or a session and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 40 }), (frames) => play(frames, false)),
    { numRuns },
  );
});

test('valid conversations with bytes flipped, cut and doubled end a stream or a session and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(frame, fc.array(mutation, { maxLength: 2 })), { maxLength: 30 }),
      fc.boolean(),
      (frames, inHandshake) =>
        play(
          frames.map(([bytes, mutations]) => mutations.reduce(mutate, bytes)),
          inHandshake,
        ),
    ),
    { numRuns },
  );
});
