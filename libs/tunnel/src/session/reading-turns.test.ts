import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCarrierPair } from '../carrier/memory-carrier.ts';
import type { Session } from './session.ts';
import { ResetCode } from '../error.ts';
import { encodeAnswer, encodeBody, encodeFrame, encodeOpen, encodeReset, FrameType } from '../frame/frame.ts';
import { RawPeer, rawKey, rawName } from '../raw-peer.ts';
import { TestClock, testEndpoint } from '../test-world.ts';

/** A node that writes down what clients say, and clients of it. */
function nodeWith(clock: TestClock) {
  const heard: { scope: string; body: unknown }[] = [];
  const onControl = ({ peer }: Session, body: unknown): void => void heard.push({ scope: peer.scope, body });
  const node = testEndpoint(clock, 'node', { onControl });
  const join = (scope: string, id: string) => RawPeer.join(clock, node, { scope, id });
  return { node, heard, join };
}

const say = (count: number) =>
  Array.from({ length: count }, (_, n) => encodeBody(FrameType.Control, { kind: 'x', n }));

test('of frames without end those of one gateway have a share of each turn, and another gateway is heard in the same', async () => {
  const clock = new TestClock();
  const { heard, join } = nodeWith(clock);
  const [flood, other] = [await join('g', 'a'), await join('h', 'b')];
  flood.raw.send(...say(5_000));
  other.raw.send(...say(1));
  assert.ok(heard.length <= 100, `${heard.length} frames in one turn`);
  assert.equal(heard.at(-1)?.scope, 'h');
  await clock.advance(0);
  const bodies = heard.filter(({ scope }) => scope === 'g').map(({ body }) => (body as { n: number }).n);
  assert.deepEqual(
    bodies,
    Array.from({ length: 5_000 }, (_, n) => n),
  );
});

test('all sessions of a gateway have one share together, and take turns at it', async () => {
  const clock = new TestClock();
  const { heard, join } = nodeWith(clock);
  const floods = await Promise.all(Array.from({ length: 20 }, (_, i) => join('k', `client-${i}`)));
  await clock.advance(0);
  heard.length = 0;
  for (const { raw } of floods) raw.send(...say(200));
  assert.ok(heard.length <= 100, `${heard.length} frames in one turn`);
  await clock.advance(0);
  assert.equal(heard.length, 4_000);
});

test('one long body counts as many short ones', async () => {
  const clock = new TestClock();
  const { heard, join } = nodeWith(clock);
  const { raw } = await join('g', 'a');
  const long = encodeBody(FrameType.Control, { kind: 'x'.repeat(65_000) });
  raw.send(...Array.from({ length: 30 }, () => long));
  assert.ok(heard.length <= 2, `${heard.length} long frames in one turn`);
  await clock.advance(0);
  assert.equal(heard.length, 30);
});

test('paths that are said to be lost count as the RESUMEs that they cause', async () => {
  const clock = new TestClock();
  const { node, join } = nodeWith(clock);
  const { raw, session } = await join('g', 'a');
  for (let n = 0; n < 1_000; n += 1) node.open(session, {});
  await clock.advance(0);
  const frames: Uint8Array[] = [];
  for (let id = 2; id <= 2_000; id += 2) {
    frames.push(encodeAnswer(FrameType.Opened, id, { attempt: 1, received: 0, limit: 1_000 }));
    frames.push(encodeReset(id, ResetCode.PathLost, ''));
  }
  raw.send(...frames);
  const sent = (): number => raw.seen.filter(({ type }) => type === FrameType.Resume).length;
  const sentBy: number[] = [];
  const look = (): void => {
    sentBy.push(sent());
    if (sent() < 1_000 && sentBy.length < 1_000) clock.soon(look);
  };
  look();
  await clock.advance(0);
  assert.equal(sent(), 1_000);
  const each = sentBy.map((count, turn) => count - (sentBy[turn - 1] ?? 0));
  assert.ok(Math.max(...each) <= 200, `${Math.max(...each)} in one turn`);
});

test('a carrier is not read while its frames wait, and what it brought before it ended is handled in turns too', async () => {
  const clock = new TestClock();
  const { node, heard } = nodeWith(clock);
  const [near, far] = memoryCarrierPair(clock);
  const peer = { scope: 'g', ...rawName };
  const accepting = node.accept(near, {
    hello: {},
    authenticate: () => Promise.resolve({ peer, welcome: {} }),
  });
  far.write(encodeBody(FrameType.Hello, {}), () => {});
  await clock.advance(0);
  await accepting;
  const frames = Buffer.concat(say(1_000));
  near.receive(frames);
  near.receive(Buffer.concat(say(1)));
  const before = heard.length;
  assert.ok(before < 100);
  far.destroy();
  const heardBy: number[] = [];
  const look = (): void => {
    heardBy.push(heard.length);
    if (heard.length < 1_000 && heardBy.length < 1_000) clock.soon(look);
  };
  look();
  await clock.advance(0);
  assert.ok(heard.length >= 1_000, `${heard.length} of what came before the end`);
  const each = heardBy.map((count, turn) => count - (heardBy[turn - 1] ?? before));
  assert.ok(Math.max(...each) <= 100, `${Math.max(...each)} frames in one turn`);
  assert.equal(node.sessions.size, 0);
});

test('small pieces of a stream that are held come whole and in order', async () => {
  const clock = new TestClock();
  const pieces: Buffer[] = [];
  const node = testEndpoint(clock, 'node', {
    onOpen: (stream) => {
      stream.events = { onData: (piece) => void pieces.push(Buffer.from(piece)) };
      stream.accept();
    },
  });
  const { raw } = await RawPeer.join(clock, node);
  raw.wire.inSlabs = true;
  const body = { from: rawName, to: node.self, meta: {} };
  const bytes = Buffer.from(Array.from({ length: 8_000 }, (_, i) => i & 0xff));
  const frames = Array.from(bytes, (byte) => encodeFrame(FrameType.Data, 1, Buffer.of(byte)));
  raw.send(encodeOpen(1, { key: rawKey(1), attempt: 1, limit: 0, body }), ...frames);
  await clock.advance(0);
  for (const stream of node.streams.values()) stream.deliver(stream.bytesReceived);
  await clock.advance(0);
  assert.ok(Buffer.concat(pieces).equals(bytes));
});
