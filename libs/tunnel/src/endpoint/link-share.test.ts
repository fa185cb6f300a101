import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from './endpoint.ts';
import { ResetCode } from '../error.ts';
import type { Limits } from '../limit.ts';
import { encodeReset, FrameType } from '../frame/frame.ts';
import { linkScope } from '../session/peer.ts';
import { RawPeer } from '../raw-peer.ts';
import type { Stream } from '../stream/stream.ts';
import { connect, TestClock, testEndpoint, TestOwner } from '../test-world.ts';

/** Two nodes with a link, each with bounds of its own; both take every stream. */
async function link(near: Partial<Limits>, far: Partial<Limits>) {
  const clock = new TestClock();
  const onOpen = (stream: Stream): void => stream.accept();
  const other = testEndpoint(clock, 'other', { limits: far, onOpen });
  const node: Endpoint = testEndpoint(clock, 'node', {
    limits: near,
    onOpen,
    relayTo: (_session, { to }) => [...node.sessions].find(({ peer }) => peer.id === to.id) ?? null,
    findDetour: () => [...node.sessions].find(({ usable }) => usable) ?? null,
  });
  const sessions = await connect(clock, node, other, { trusted: true, scope: linkScope });
  const open = (scope: string, from: Endpoint = node): TestOwner => {
    const session = from === node ? sessions.left : sessions.right;
    return new TestOwner(from.open(session, {}, session.peer, scope), 0, 1);
  };
  return { clock, node, other, sessions, open };
}

test('one gateway has half of the streams of a link at most, whichever end opens them', async () => {
  const { clock, other, sessions, open } = await link({ streamsPerSessionMax: 4 }, {});
  const first = open('one');
  open('one', other);
  await clock.advance(10);
  assert.throws(() => open('one'), { code: 'TUNNEL_STREAM_LIMIT' });
  open('two');
  await clock.advance(10);
  assert.equal(sessions.left.streamCount, 3);
  first.stream.reset(ResetCode.Cancelled, 'test');
  await clock.advance(10);
  const again = open('one');
  await clock.advance(10);
  assert.ok(again.opened);
});

test('an OPEN above the half of its gateway is refused with Limit, and one of another gateway is taken', async () => {
  const { clock, open } = await link({}, { streamsPerSessionMax: 2 });
  const first = open('one');
  const second = open('one');
  const theirs = open('two');
  await clock.advance(10);
  assert.deepEqual([first.opened, theirs.opened, second.reset?.code], [true, true, ResetCode.Limit]);
});

test('a relay passes nothing on over a link of which the gateway has half', async () => {
  const { clock, node, other, sessions, open } = await link({ streamsPerSessionMax: 2 }, {});
  open('one');
  const client = testEndpoint(clock, 'client');
  const tunnel = await connect(clock, node, client, { scope: 'one' });
  const relayed = new TestOwner(client.open(tunnel.right, {}, other.self), 0, 1);
  await clock.advance(10);
  assert.deepEqual([relayed.reset?.code, sessions.left.streamCount], [ResetCode.NotRelayed, 1]);
});

test('a stream that looks for a path waits while its gateway has half of the link', async () => {
  const { clock, node, other, sessions, open } = await link({}, { streamsPerSessionMax: 2 });
  const first = open('one');
  await clock.advance(10);
  const next = await connect(clock, node, other, { trusted: true, scope: linkScope });
  const taken = new TestOwner(node.open(next.left, {}, other.self, 'one'), 0, 1);
  await clock.advance(10);
  sessions.wire.cut();
  await clock.advance(2_500);
  assert.deepEqual([first.over, first.stream.session], [false, null]);
  taken.stream.reset(ResetCode.Cancelled, 'test');
  await clock.advance(2_500);
  assert.deepEqual([first.over, first.stream.session], [false, next.left]);
});

test('a tunnel is its gateway’s alone, which has all of its streams', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node', { limits: { streamsPerSessionMax: 2 } });
  const client = testEndpoint(clock, 'client', { onOpen: (stream) => stream.accept() });
  const { left } = await connect(clock, node, client);
  const owners = [1, 2].map(() => new TestOwner(node.open(left, {}), 0, 1));
  await clock.advance(10);
  assert.ok(owners.every(({ opened }) => opened));
});

/** A link to a node that reads nothing for now, and a client of gateway `one` that has flooded it with what is to be passed on. */
async function floodedLink(flood: (raw: RawPeer, to: { id: string; bootId: string }, n: number) => void) {
  const clock = new TestClock();
  const node: Endpoint = testEndpoint(clock, 'node', {
    relayTo: (_session, { to }) => [...node.sessions].find(({ peer }) => peer.id === to.id) ?? null,
  });
  const link = await RawPeer.join(clock, node, { trusted: true, scope: linkScope, id: 'other' });
  const { raw } = await RawPeer.join(clock, node, { scope: 'one' });
  link.raw.wire.swallows = true;
  for (let n = 0; n < 3_000; n += 1) {
    flood(raw, { id: 'other', bootId: 'raw-boot' }, 2 * n + 1);
    if (n % 4 === 0) await clock.advance(0);
  }
  return { clock, node, link, raw };
}

test('a link that a node reads slowly stays up, whatever one gateway wants passed on over it', async () => {
  const meta = 'x'.repeat(15_000);
  const { node, link, raw } = await floodedLink((peer, to, id) => {
    peer.open(id, to, { meta });
    peer.send(encodeReset(id, ResetCode.Cancelled, 'y'.repeat(1_000)));
  });
  assert.ok(!link.session.closed && node.sessions.has(link.session));
  const codes = new Set(raw.seen.filter(({ type }) => type === FrameType.Reset).map(codeOf));
  assert.deepEqual([...codes], [ResetCode.NotRelayed]);
});

test('what one gateway wants passed on over a link leaves half of each write to the others', async () => {
  const { clock, node, link } = await floodedLink((peer, to, id) => peer.resume(id, to));
  const stream = node.open(link.session, {}, link.session.peer, 'two');
  await clock.advance(0);
  assert.ok(stream.session === link.session);
  const { controlBytes } = link.session;
  assert.ok(controlBytes < 67_000, `${controlBytes} bytes wait before the data of others`);
});

function codeOf({ payload }: { payload: Buffer }): number {
  return payload.readUInt16BE(0);
}
