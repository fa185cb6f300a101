// One version back keeps working: an end of today beside one of a former version, whose frames were pinned when it was
// spoken. While there is one version only, today's end must say just these bytes; from the next one on it must still
// understand them, and say what they say to a peer that offers no more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, FrameType } from './frame.ts';
import { type PinnedFrame, pinnedVersion } from './pinned-version.ts';
import { pageClient, RawPeer } from '../raw-peer.ts';
import { TestClock, testEndpoint } from '../test-world.ts';

const pinned = pinnedVersion(1);
const session = pinned.get('session') ?? [];
const saidBy = (who: PinnedFrame['from']): Buffer[] =>
  session.filter(({ from }) => from === who).map(({ bytes }) => bytes);

test('every frame of version 1 is pinned', () => {
  const types = [...pinned].filter(([name]) => name !== 'session').map(([, frames]) => frames[0]?.bytes[0]);
  assert.deepEqual(
    types.toSorted((a = 0, b = 0) => a - b),
    Object.values(FrameType).toSorted((a, b) => a - b),
  );
});

test('a node of version 1 is served by a client of today, in every byte', async () => {
  const clock = new TestClock();
  const client = pageClient(clock);
  const raw = new RawPeer(clock);
  const [hello] = saidBy('client');
  const up = client.connect(raw.wire.left, {
    answer: () => Promise.resolve(JSON.parse(hello?.toString('utf8', 8) ?? '') as object),
    welcome: () => ({ scope: 'g', id: 'edge-1', bootId: 'n0de-b00t', trusted: true }),
  });
  for (const [i, { from, bytes }] of session.entries()) {
    if (from !== 'node') continue;
    raw.send(bytes);
    await clock.advance(session[i + 1]?.from === 'client' && i > 5 ? 25 : 0);
  }
  await up;
  const said = raw.seen.map(({ type, stream, payload }) => encodeFrame(type, stream, payload));
  assert.deepEqual(said, saidBy('client'));
});

test('a client of version 1 is served by a node of today: its answers are understood, the stream ends in order', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'edge-1', { self: { id: 'edge-1', bootId: 'n0de-b00t' } });
  const raw = new RawPeer(clock);
  const [hello, welcome] = saidBy('node').map((bytes) => JSON.parse(jsonOf(bytes)) as object);
  const accepting = node.accept(raw.wire.left, {
    hello: hello ?? {},
    authenticate: () =>
      Promise.resolve({ peer: { scope: 'g', id: 'c1', bootId: 'c1ient-b00t' }, welcome: welcome ?? {} }),
  });
  const [clientHello, ...answers] = saidBy('client');
  raw.send(clientHello ?? Buffer.alloc(0));
  await clock.advance(1);
  const stream = node.open(await accepting, { port: 22 });
  let [got, done] = ['', false];
  stream.events = {
    onData: (piece) => {
      got += piece.toString();
      stream.deliver(piece.length);
    },
    onEnd: () => stream.deliverEnd(),
    onDone: () => (done = true),
  };
  stream.writeCopy(Buffer.from('ping'));
  stream.end();
  await clock.advance(1);
  raw.send(...answers);
  await clock.advance(50);
  assert.deepEqual([got, done], ['pong', true]);
  const types = new Set(raw.seen.map(({ type }) => type));
  for (const type of [
    FrameType.Hello,
    FrameType.Welcome,
    FrameType.Open,
    FrameType.Data,
    FrameType.Fin,
    FrameType.Credit,
  ])
    assert.ok(types.has(type), `a frame of type ${type}`);
});

/** HELLO and WELCOME as JSON; other frames are none. */
function jsonOf(bytes: Buffer): string {
  return bytes[0] === FrameType.Hello || bytes[0] === FrameType.Welcome ? bytes.toString('utf8', 8) : '{}';
}
