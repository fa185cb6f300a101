import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from './endpoint.ts';
import { GoAwayCode, ResetCode, TunnelError } from '../error.ts';
import {
  decodeAnswer,
  decodeCredit,
  decodeOpen,
  decodeResume,
  encodeAnswer,
  encodeCredit,
  encodeReset,
  FrameType,
} from '../frame/frame.ts';
import { defaultLimits, type Limits } from '../limit.ts';
import { rawKey, rawName, RawPeer, type SeenFrame } from '../raw-peer.ts';
import type { Session } from '../session/session.ts';
import type { Stream } from '../stream/stream.ts';
import { connect, patternBytes, TestClock, testEndpoint, TestOwner, type Wire } from '../test-world.ts';

/** Two endpoints with one session and one open stream; the client takes every stream. */
async function pair({ accept = true, limits = {} }: { accept?: boolean; limits?: Partial<Limits> } = {}) {
  const clock = new TestClock();
  const accepted: TestOwner[] = [];
  const node = testEndpoint(clock, 'node', { limits });
  const client = testEndpoint(clock, 'client', {
    limits,
    onOpen: (stream) => {
      accepted.push(new TestOwner(stream, 1, 0));
      if (accept) stream.accept();
    },
  });
  const join = (): Promise<{ wire: Wire; left: Session; right: Session }> => connect(clock, node, client);
  const first = await join();
  const opener = new TestOwner(node.open(first.left, {}), 0, 1);
  await clock.advance(5);
  return { clock, node, client, first, join, accepted, opener, acceptor: accepted[0] as TestOwner };
}

type World = Awaited<ReturnType<typeof pair>>;

/** Both end their directions, and everything must have come. */
async function endInOrder({ clock, node, client, opener, acceptor }: World): Promise<void> {
  opener.stream.end();
  acceptor.stream.end();
  await clock.advance(3_000);
  assert.deepEqual([opener.reset, acceptor.reset], [null, null]);
  assert.ok(opener.done && acceptor.done);
  assert.equal(acceptor.received, opener.written);
  assert.equal(opener.received, acceptor.written);
  assert.deepEqual([node.streams.size, client.streams.size], [0, 0]);
  assert.equal(node.memory.receiveReserved + client.memory.receiveReserved, 0);
}

/** Why a test ends a session. */
const gone = new TunnelError('TUNNEL_CLOSED', 'test');

/** A node with a stream that a raw peer opened and the node took. */
async function rawWorld() {
  const clock = new TestClock();
  let owner!: TestOwner;
  const node = testEndpoint(clock, 'node', {
    onOpen: (stream) => {
      owner = new TestOwner(stream, 1, 0);
      stream.accept();
    },
  });
  const first = await RawPeer.join(clock, node);
  first.raw.open(1, node.self);
  await clock.advance(5);
  return { clock, node, first, owner };
}

/** A node that opened a stream to a raw peer, which took it. */
async function rawAcceptor(): Promise<{
  clock: TestClock;
  node: Endpoint;
  raw: RawPeer;
  session: Session;
  owner: TestOwner;
}> {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const { raw, session } = await RawPeer.join(clock, node);
  const owner = new TestOwner(node.open(session, {}), 0, 1);
  await clock.advance(5);
  raw.send(encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 262_144 }));
  await clock.advance(5);
  return { clock, node, raw, session, owner };
}

test('a stream whose path is cut in mid-transfer goes on over another, every byte once', async () => {
  const world = await pair();
  for (let i = 0; i < 10; i += 1) {
    world.opener.write(90_000);
    world.acceptor.write(90_000);
    const next = await world.join();
    [...world.node.sessions].find((session) => session !== next.left)?.destroy(gone);
    await world.clock.advance(10);
  }
  await endInOrder(world);
  assert.ok(world.opener.written > 500_000);
});

test('a stream without a path waits, and goes on when one comes', async () => {
  const world = await pair();
  world.opener.write(100_000);
  world.first.wire.cut();
  await world.clock.advance(50_000);
  assert.equal(world.opener.over || world.acceptor.over, false);
  await world.join();
  await endInOrder(world);
});

test('an endpoint that closes tells its streams’ other ends, which wait for no other path', async () => {
  for (const wasDraining of [false, true]) {
    const { clock, client, first, opener } = await pair();
    if (wasDraining) first.right.goAway(GoAwayCode.ShuttingDown, 'soon');
    await clock.advance(10);
    client.close();
    await clock.advance(10);
    assert.equal(opener.reset?.code, ResetCode.ShuttingDown);
  }
});

test('without a path for pathWaitMs both ends are reset with PathLost', async () => {
  const { clock, node, client, first, opener, acceptor } = await pair();
  opener.write(100_000);
  first.wire.cut();
  await clock.advance(59_000);
  assert.deepEqual([opener.reset, acceptor.reset], [null, null]);
  await clock.advance(2_500);
  assert.equal(opener.reset?.code, ResetCode.PathLost);
  assert.equal(acceptor.reset?.code, ResetCode.PathLost);
  assert.deepEqual(node.memory, { receiveReserved: 0, sendReserved: 0 });
  assert.deepEqual(client.memory, { receiveReserved: 0, sendReserved: 0 });
});

test('an OPEN that was not answered waits for a path for openingWaitMs, each time that a session which carried it is gone', async () => {
  const world = await pair({ accept: false });
  const { clock, node, first, opener } = world;
  const { openingWaitMs } = node.limits;
  opener.write(1_000);
  await clock.advance(5);
  first.wire.cut();
  await clock.advance(openingWaitMs - 500);
  assert.equal(opener.over, false, 'its process may be back in a moment');
  const { wire } = await world.join();
  await clock.advance(2 * openingWaitMs);
  wire.cut();
  await clock.advance(openingWaitMs - 500);
  assert.equal(opener.over, false, 'it was carried until then');
  await clock.advance(1_500);
  assert.equal(opener.reset?.code, ResetCode.PathLost);
  await world.join();
  await clock.advance(1_000);
  world.acceptor.stream.accept();
  await clock.advance(2_000);
  assert.equal(world.accepted.length, 1, 'nothing is dialled twice');
  assert.equal(world.acceptor.reset?.code, ResetCode.UnknownStream, 'who held it is told');
});

test('attempts that are refused are no path: after pathWaitMs of them the stream is reset with PathLost', async () => {
  const clock = new TestClock();
  let owner!: TestOwner;
  const toRelay = () => [...client.sessions].find(({ usable }) => usable) ?? null;
  const client = testEndpoint(clock, 'client', {
    findDetour: toRelay,
    onOpen: (stream) => {
      owner = new TestOwner(stream, 1, 0);
      stream.accept();
    },
  });
  const first = await RawPeer.join(clock, client, { trusted: true });
  first.raw.open(1, client.self, { from: rawName });
  await clock.advance(5);
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, client, { trusted: true, id: 'relay' });
  let refused = 0;
  for (let waitedMs = 0; waitedMs < 62_000 && !owner.over; waitedMs += 500) {
    await clock.advance(500);
    for (const { type, stream } of raw.seen.splice(0)) {
      if (type !== FrameType.Resume) continue;
      refused += 1;
      raw.send(encodeReset(stream, ResetCode.PathLost, 'no way from here to the other end'));
    }
  }
  assert.ok(refused > 50, `tried each second, ${refused} times`);
  assert.equal(owner.reset?.code, ResetCode.PathLost);
  assert.equal(client.streams.size, 0);
});

test('an OPEN that others refuse when it is repeated waits for openingWaitMs, as one that nobody takes', async () => {
  const clock = new TestClock();
  const toRelay = () => [...client.sessions].find(({ usable }) => usable) ?? null;
  const client = testEndpoint(clock, 'client', { findDetour: toRelay });
  const first = await RawPeer.join(clock, client, { trusted: true });
  const owner = new TestOwner(client.open(first.session, {}), 0, 1);
  owner.write(5);
  await clock.advance(5);
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, client, { trusted: true, id: 'relay' });
  let refused = 0;
  for (let waitedMs = 0; waitedMs < client.limits.openingWaitMs + 1_000; waitedMs += 500) {
    for (const { type, stream } of raw.seen.splice(0)) {
      if (type !== FrameType.Open) continue;
      refused += 1;
      raw.send(encodeReset(stream, ResetCode.PathLost, 'no way from here to the other end'));
    }
    await clock.advance(500);
  }
  assert.ok(refused > 1, `tried each second, ${refused} times`);
  assert.equal(owner.reset?.code, ResetCode.PathLost);
});

test('an OPEN that others have refused for five seconds goes to its process when that is back', async () => {
  const clock = new TestClock();
  const toRelay = () => [...client.sessions].find(({ usable }) => usable) ?? null;
  const client = testEndpoint(clock, 'client', { findDetour: toRelay });
  const first = await RawPeer.join(clock, client, { trusted: true });
  const owner = new TestOwner(client.open(first.session, {}), 0, 1);
  owner.write(5);
  await clock.advance(5);
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, client, { trusted: true, id: 'relay' });
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 500) {
    for (const { type, stream } of raw.seen.splice(0)) {
      if (type === FrameType.Open)
        raw.send(encodeReset(stream, ResetCode.PathLost, 'no way from here to the other end'));
    }
    await clock.advance(500);
  }
  const back = await RawPeer.join(clock, client, { trusted: true });
  await clock.advance(1_000);
  assert.equal(owner.over, false);
  assert.ok(back.raw.seen.some(({ type }) => type === FrameType.Open));
});

test('an OPEN that is repeated may be answered later than pathWaitMs while its path is there', async () => {
  const world = await pair({ accept: false });
  world.first.wire.cut();
  await world.clock.advance(5);
  await world.join();
  await world.clock.advance(100_000);
  world.acceptor.stream.accept();
  await endInOrder(world);
});

test('a stream that one end moved while its old path was alive is not queued there any more', async () => {
  const world = await pair();
  const { clock, first, opener, acceptor } = world;
  first.wire.swallows = true;
  opener.write(50_000);
  await clock.advance(1);
  opener.write(50_000);
  await clock.advance(1);
  await world.join();
  first.right.destroy(gone);
  await clock.advance(3_000);
  assert.equal(first.left.closed, false, 'the node has not noticed');
  assert.equal(acceptor.received, 100_000);
  await endInOrder(world);
});

test('late frames of an old path that is alive are dropped', async () => {
  const world = await pair();
  const { clock, first, opener, acceptor, client } = world;
  first.wire.delayMs = 400;
  opener.write(100_000);
  await clock.advance(10);
  const second = await world.join();
  acceptor.stream.move();
  await clock.advance(100);
  if (acceptor.stream.session === first.right) acceptor.stream.move();
  await clock.advance(2_000);
  assert.ok(!second.left.closed && !first.left.closed);
  assert.equal(client.streams.size, 1);
  await endInOrder(world);
});

test('both ends may move a stream at the same moment', async () => {
  const world = await pair();
  world.opener.write(70_000);
  world.acceptor.write(70_000);
  for (let i = 0; i < 5; i += 1) {
    const next = await world.join();
    next.wire.delayMs = 30;
    world.opener.stream.move();
    world.acceptor.stream.move();
    await world.clock.advance(2_000);
    world.opener.write(10_000);
  }
  await endInOrder(world);
});

test('at a tie of attempts the opener’s wins', async () => {
  const { clock, node, raw, owner } = await rawAcceptor();
  raw.wire.cut();
  await clock.advance(5);
  const second = await RawPeer.join(clock, node);
  const resume = decodeResume(second.raw.payloads(FrameType.Resume, 2)[0] as Buffer);
  assert.equal(resume.attempt, 2);
  second.raw.resume(1, node.self, { key: owner.stream.key, attempt: 2 });
  await clock.advance(5);
  assert.equal(second.raw.resets(1)[0]?.code, ResetCode.PathOutdated);
  second.raw.resume(3, node.self, { key: owner.stream.key, attempt: 3 });
  await clock.advance(5);
  assert.equal(decodeAnswer(second.raw.payloads(FrameType.Resumed, 3)[0] as Buffer).attempt, 3);
});

test('at a tie of attempts the acceptor gives way', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.wire.cut();
  await clock.advance(5);
  const { raw } = await RawPeer.join(clock, node);
  assert.equal(decodeResume(raw.payloads(FrameType.Resume, 2)[0] as Buffer).attempt, 2);
  raw.resume(1, node.self, { key: owner.stream.key, attempt: 2 });
  await clock.advance(5);
  assert.equal(decodeAnswer(raw.payloads(FrameType.Resumed, 1)[0] as Buffer).attempt, 2);
});

test('an acceptor whose attempt was refused takes the opener’s of the same number', async () => {
  const { clock, node, first } = await rawWorld();
  first.session.destroy(gone);
  const { raw } = await RawPeer.join(clock, node);
  await clock.advance(1);
  const [resume] = raw.seen.filter(({ type }) => type === FrameType.Resume);
  assert.ok(resume !== undefined);
  const { attempt } = decodeResume(resume.payload);
  raw.send(encodeReset(resume.stream, ResetCode.PathOutdated, 'another path is newer'));
  raw.resume(1, node.self, { key: rawKey(1), attempt });
  await clock.advance(1);
  assert.deepEqual(raw.resets(1), []);
  assert.equal(raw.payloads(FrameType.Resumed, 1).length, 1);
});

test('an attempt that is not newer is refused on its path alone', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.resume(3, node.self, { key: rawKey(1), attempt: 1 });
  await clock.advance(5);
  assert.equal(first.raw.resets(3)[0]?.code, ResetCode.PathOutdated);
  first.raw.data(1, patternBytes(0, 0, 5));
  assert.equal(owner.received, 5);
});

test('an attempt before the first is refused', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.resume(3, node.self, { key: rawKey(1), attempt: 0 });
  await clock.advance(5);
  assert.equal(first.raw.resets(3)[0]?.code, ResetCode.Protocol);
  assert.equal(owner.reset, null);
});

test('an attempt from which nobody could count on is refused', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.resume(3, node.self, { key: rawKey(1), attempt: 0xffff_ffff });
  await clock.advance(5);
  assert.equal(first.raw.resets(3)[0]?.code, ResetCode.Protocol);
  assert.equal(owner.reset, null);
  first.raw.wire.cut();
  await clock.advance(5);
  await RawPeer.join(clock, node);
  assert.equal(owner.reset, null);
});

test('each end sends from the other’s offset, and what was acknowledged is not sent again', async () => {
  const { clock, node, first, owner } = await rawWorld();
  owner.write(50_000);
  first.raw.data(1, patternBytes(0, 0, 300));
  await clock.advance(30);
  first.raw.send(encodeCredit(1, 20_000, 300_000));
  const { raw } = await RawPeer.join(clock, node);
  raw.resume(1, node.self, { key: rawKey(1), received: 30_000, limit: 300_000 });
  await clock.advance(5);
  assert.equal(decodeAnswer(raw.payloads(FrameType.Resumed, 1)[0] as Buffer).received, 300);
  assert.deepEqual(raw.received(1), patternBytes(1, 30_000, 20_000));
});

test('an offset below the acknowledged or above the sent is a RESET Protocol', async () => {
  for (const received of [19_999, 50_001]) {
    const { clock, node, first, owner } = await rawWorld();
    owner.write(50_000);
    await clock.advance(5);
    first.raw.send(encodeCredit(1, 20_000, 300_000));
    first.raw.resume(3, node.self, { key: rawKey(1), received });
    await clock.advance(5);
    assert.equal(owner.reset?.code, ResetCode.Protocol, `offset ${received}`);
    assert.equal(first.raw.resets(3)[0]?.code, ResetCode.Protocol);
  }
});

test('a FIN that the peer has is not sent again, one that it lacks is', async () => {
  for (const [received, fins] of [
    [11, 0],
    [10, 1],
    [4, 1],
  ] as const) {
    const { clock, node, first, owner } = await rawWorld();
    owner.write(10);
    owner.stream.end();
    await clock.advance(5);
    assert.equal(first.raw.payloads(FrameType.Fin, 1).length, 1);
    const { raw } = await RawPeer.join(clock, node);
    raw.resume(1, node.self, { key: rawKey(1), received });
    await clock.advance(5);
    assert.equal(raw.payloads(FrameType.Fin, 1).length, fins, `offset ${received}`);
    assert.equal(raw.received(1).length, Math.max(0, 10 - received));
  }
});

test('a stream whose path is cut while its ends are under way ends in order', async () => {
  for (let ms = 0; ms < 120; ms += 5) {
    const world = await pair();
    world.first.wire.delayMs = 20;
    world.opener.write(1_000);
    world.acceptor.write(1_000);
    world.opener.stream.end();
    world.acceptor.stream.end();
    await world.clock.advance(ms);
    world.first.left.destroy(gone);
    world.first.right.destroy(gone);
    await world.clock.advance(50);
    await world.join();
    await endInOrder(world);
  }
});

test('a stream that is reset while its path is gone is reset at the other end when there is one', async () => {
  for (const side of [0, 1] as const) {
    const world = await pair();
    const owners = [world.opener, world.acceptor] as const;
    world.first.wire.cut();
    await world.clock.advance(100);
    owners[side].stream.reset(ResetCode.Disabled, 'the words');
    await world.join();
    await world.clock.advance(2_000);
    assert.deepEqual(owners[1 - side]?.reset, {
      code: ResetCode.Disabled,
      text: 'the words',
      origin: 'peer',
    });
  }
});

test('a stream that moves tells its reset over the new path', async () => {
  const world = await pair();
  world.opener.write(50_000);
  await world.join();
  world.opener.stream.move();
  world.opener.stream.reset(ResetCode.Cancelled, 'at once');
  await world.clock.advance(100);
  assert.equal(world.acceptor.reset?.code, ResetCode.Cancelled);
});

test('a repeated OPEN reaches the resource once, and its early bytes too', async () => {
  const world = await pair({ accept: false });
  const { clock, first, opener, accepted } = world;
  opener.write(10_000);
  await clock.advance(5);
  first.wire.cut();
  await clock.advance(100);
  await world.join();
  opener.write(5_000);
  await clock.advance(100);
  await world.join().then(({ wire }) => wire.cut());
  await clock.advance(2_000);
  assert.equal(accepted.length, 1, 'offered once');
  world.acceptor.stream.accept();
  await endInOrder(world);
  assert.equal(world.acceptor.received, 15_000);
});

test('an OPEN that is repeated as late as can be reaches nothing twice, also where the first was reset at once', async () => {
  const world = await pair({ limits: { openingWaitMs: defaultLimits.pathWaitMs } });
  const { clock, node, first, accepted } = world;
  const opener = new TestOwner(node.open(first.left, {}), 0, 1);
  opener.write(1_000);
  first.wire.delayMs = 10;
  await clock.advance(15);
  assert.equal(accepted[1]?.received, 1_000);
  first.wire.swallows = true;
  accepted[1]?.stream.reset(ResetCode.Cancelled, 'the resource has done it, and reset the connection');
  const noticedAt = clock.now() + node.limits.deadAfterMs;
  await clock.advance(noticedAt + node.limits.pathWaitMs - 500 - clock.now());
  assert.equal(opener.over, false, 'it waits still');
  await world.join();
  await clock.advance(1_000);
  assert.equal(accepted.length, 2);
  assert.equal(opener.reset?.code, ResetCode.Cancelled);
});

test('a repeated OPEN has the same key, and the next attempt', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const first = await RawPeer.join(clock, node);
  const owner = new TestOwner(node.open(first.session, { port: 1 }), 0, 1);
  owner.write(100);
  owner.stream.end();
  await clock.advance(5);
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, node);
  await clock.advance(5);
  const open = decodeOpen(raw.payloads(FrameType.Open, 2)[0] as Buffer);
  assert.deepEqual([open.key, open.attempt], [owner.stream.key, 2]);
  assert.deepEqual([raw.received(2).length, raw.payloads(FrameType.Fin, 2).length], [100, 1]);
});

test('an acceptor whose OPENED was lost starts over with a repeated OPEN, and skips the bytes that it has', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.data(1, patternBytes(0, 0, 40));
  owner.write(100);
  owner.stream.end();
  await clock.advance(5);
  first.raw.open(3, node.self, { key: rawKey(1), attempt: 2 });
  first.raw.data(3, patternBytes(0, 0, 60));
  await clock.advance(5);
  assert.equal(owner.received, 60);
  const opened = decodeAnswer(first.raw.payloads(FrameType.Opened, 3)[0] as Buffer);
  assert.deepEqual([opened.attempt, opened.received], [2, 40]);
  assert.deepEqual(first.raw.received(3), patternBytes(1, 0, 100));
  assert.equal(first.raw.payloads(FrameType.Fin, 3).length, 1);
});

test('when OPENED was lost, the acceptor’s RESUME opens the stream', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const first = await RawPeer.join(clock, node);
  const owner = new TestOwner(node.open(first.session, {}), 0, 1);
  owner.write(100);
  await clock.advance(5);
  first.raw.resume(1, node.self, { key: owner.stream.key, received: 60 });
  await clock.advance(5);
  assert.equal(owner.opened, true);
  assert.deepEqual(first.raw.received(1), patternBytes(0, 60, 40));
  first.raw.data(1, patternBytes(1, 0, 10));
  await clock.advance(5);
  assert.deepEqual([owner.received, owner.reset], [10, null]);
});

test('RESUME is taken only from the same gateway, client and boot, or a trusted node', async () => {
  for (const [who, taken] of [
    [{ scope: 'another' }, false],
    [{ id: 'another' }, false],
    [{ id: 'another', trusted: true }, true],
    [{}, true],
  ] as const) {
    const { clock, node, owner } = await rawWorld();
    const { raw } = await RawPeer.join(clock, node, who);
    const from = { ...rawName, ...('id' in who && !('trusted' in who) ? { id: who.id } : {}) };
    raw.resume(1, node.self, { key: rawKey(1), from, attempt: 9 });
    await clock.advance(5);
    assert.equal(raw.payloads(FrameType.Resumed, 1).length, taken ? 1 : 0, JSON.stringify(who));
    if (!taken) assert.equal(raw.resets(1)[0]?.code, ResetCode.UnknownStream);
    assert.equal(owner.reset, null);
  }
});

test('another boot of a client ends the former’s streams at once', async () => {
  const { clock, node, owner } = await rawWorld();
  await RawPeer.join(clock, node, { bootId: 'second-boot' });
  await clock.advance(1);
  assert.equal(owner.reset?.code, ResetCode.Restarted);
});

test('RESUME to another boot of this process is answered with UnknownStream', async () => {
  const { clock, node, first } = await rawWorld();
  first.raw.resume(3, { id: node.self.id, bootId: 'former' }, { key: rawKey(77) });
  await clock.advance(5);
  assert.equal(first.raw.resets(3)[0]?.code, ResetCode.UnknownStream);
});

test('RESUME of a stream that was reset is answered with its code, for tombstoneMs', async () => {
  const { clock, node, first, owner } = await rawWorld();
  owner.stream.reset(ResetCode.Disabled, 'the words');
  await clock.advance(node.limits.tombstoneMs - 1_000);
  const again = first.session.closed ? await RawPeer.join(clock, node) : first;
  again.raw.resume(11, node.self, { key: rawKey(1) });
  again.raw.open(13, node.self, { key: rawKey(1), attempt: 2 });
  await clock.advance(5);
  assert.deepEqual(again.raw.resets(11)[0], { code: ResetCode.Disabled, text: 'the words' });
  assert.deepEqual(again.raw.resets(13)[0], { code: ResetCode.Disabled, text: 'the words' });
  await clock.advance(2_000);
  again.raw.resume(15, node.self, { key: rawKey(1) });
  await clock.advance(5);
  assert.equal(again.raw.resets(15)[0]?.code, ResetCode.UnknownStream);
});

test('streams that one gateway ends, however many, have nothing forgotten of another’s', async () => {
  const clock = new TestClock();
  const limits = { tombstonesMax: 8, tombstonesPerGatewayMax: 4 };
  const onOpen = (stream: Stream): void => stream.reset(ResetCode.Denied, stream.scope);
  const node = testEndpoint(clock, 'node', { limits, onOpen });
  const [first, second] = [
    await RawPeer.join(clock, node, { scope: 'one' }),
    await RawPeer.join(clock, node, { scope: 'two' }),
  ];
  first.raw.open(1, node.self);
  for (let stream = 3; stream < 100; stream += 2) second.raw.open(stream, node.self);
  first.raw.resume(3, node.self, { key: rawKey(1) });
  second.raw.resume(101, node.self, { key: rawKey(99) });
  second.raw.resume(103, node.self, { key: rawKey(3) });
  second.raw.resume(105, node.self, { key: rawKey(1) });
  await clock.advance(5);
  assert.deepEqual(first.raw.resets(3), [{ code: ResetCode.Denied, text: 'one' }]);
  assert.deepEqual(second.raw.resets(101), [{ code: ResetCode.Denied, text: 'two' }]);
  assert.equal(second.raw.resets(103)[0]?.code, ResetCode.UnknownStream);
  assert.equal(second.raw.resets(105)[0]?.code, ResetCode.UnknownStream, 'it is told nothing of another’s');
});

test('RESUME of a stream that is done is told all that the other end needs to be done too', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.data(1, patternBytes(0, 0, 10));
  first.raw.fin(1);
  owner.stream.end();
  await clock.advance(50);
  first.raw.send(encodeCredit(1, 1, 100_000));
  await clock.advance(5);
  assert.ok(owner.done);
  first.raw.resume(3, node.self, { key: rawKey(1), received: 1 });
  await clock.advance(5);
  const [resumed, credit, reset] = first.raw.seen.filter(({ stream }) => stream === 3);
  assert.equal(decodeAnswer(resumed?.payload as Buffer).received, 11);
  assert.equal(decodeCredit(credit?.payload as Buffer).delivered, 11);
  assert.equal(reset?.payload.readUInt16BE(0), ResetCode.PathLost);
});

test('an end that hears in one chunk that its peer has ended in order is done, and does not ask again', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.fin(1);
  owner.stream.end();
  await clock.advance(1);
  first.session.destroy(gone);
  const { raw: other } = await RawPeer.join(clock, node);
  await clock.advance(1);
  const [resume] = other.seen.filter(({ type }) => type === FrameType.Resume);
  assert.ok(resume !== undefined);
  const { attempt } = decodeResume(resume.payload);
  other.send(
    encodeAnswer(FrameType.Resumed, resume.stream, { attempt, received: 1, limit: 1 }),
    encodeCredit(resume.stream, 1, 1),
    encodeReset(resume.stream, ResetCode.PathLost, 'the stream has ended in order'),
  );
  await clock.advance(5_000);
  assert.equal(owner.done, true);
  assert.equal(other.seen.filter(({ type }) => type === FrameType.Resume).length, 1);
});

test('before RESUMED nothing but RESET may come on the new path', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, node);
  await clock.advance(5);
  assert.equal(raw.payloads(FrameType.Resume, 2).length, 1);
  raw.data(2, Buffer.from('x'));
  assert.equal(owner.reset?.code, ResetCode.Protocol);
});

test('a refused RESUME is tried again by the clock, not at once for ever', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, node);
  for (let i = 0; i < 50; i += 1) {
    const last = raw.seen.findLast(({ type }) => type === FrameType.Resume);
    if (last !== undefined) raw.send(encodeReset(last.stream, ResetCode.PathLost, 'no'));
    await clock.advance(100);
  }
  const tries = raw.seen.filter(({ type }) => type === FrameType.Resume).length;
  assert.ok(tries >= 4 && tries <= 7, `${tries} tries in 5 s`);
  assert.equal(owner.reset, null);
});

test('a path that goes as soon as it was answered is sought again by the clock, not at once for ever', async () => {
  const { clock, node, first, owner } = await rawWorld();
  first.raw.wire.cut();
  const { raw } = await RawPeer.join(clock, node);
  let answered = 0;
  for (let i = 0; i < 500; i += 1) {
    const { stream, payload } = raw.seen.findLast(({ type }) => type === FrameType.Resume) as SeenFrame;
    const { attempt } = decodeResume(payload);
    if (attempt > answered) {
      answered = attempt;
      raw.send(encodeAnswer(FrameType.Resumed, stream, { attempt, received: 0, limit: 262_144 }));
      raw.send(encodeReset(stream, ResetCode.PathLost, 'gone again'));
    }
    await clock.advance(10);
  }
  const tries = raw.seen.filter(({ type }) => type === FrameType.Resume).length;
  assert.ok(tries >= 4 && tries <= 7, `${tries} tries in 5 s`);
  assert.equal(owner.reset, null);
});

test('a session that is full does not end the streams that try to move to it', async () => {
  const world = await pair({ limits: { streamsPerSessionMax: 2 } });
  const { left } = await world.join();
  const others = [0, 1].map(() => new TestOwner(world.node.open(left, {}), 0, 1));
  await world.clock.advance(5);
  world.first.left.destroy(gone);
  await world.clock.advance(2_000);
  assert.deepEqual([world.opener.reset, world.acceptor.reset], [null, null]);
  await world.join();
  await world.clock.advance(2_000);
  for (const owner of [...others, ...world.accepted.slice(1)]) owner.stream.end();
  await endInOrder(world);
  assert.ok(others.every((owner) => owner.done));
});

test('a stream whose path was lost goes on over a session of which it has the last window itself', async () => {
  const clock = new TestClock();
  const { floorBytes } = defaultLimits;
  const limits = { receiveBytesPerSessionMax: floorBytes };
  const node = testEndpoint(clock, 'node', { limits });
  const { raw, session } = await RawPeer.join(clock, node);
  const owner = new TestOwner(node.open(session, {}), 0, 1);
  await clock.advance(5);
  raw.send(
    encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 262_144 }),
    encodeReset(2, ResetCode.PathLost, 'the relay lost the other side'),
  );
  await clock.advance(5);
  assert.equal(raw.payloads(FrameType.Resume, 4).length, 1);
  assert.equal(session.receiveBudget.used, floorBytes);
  raw.send(encodeAnswer(FrameType.Resumed, 4, { attempt: 2, received: 0, limit: 262_144 }));
  raw.data(4, patternBytes(1, 0, 1_000));
  await clock.advance(5);
  assert.equal(owner.received, 1_000);
});
