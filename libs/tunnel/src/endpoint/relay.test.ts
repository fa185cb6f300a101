import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datagramMemory } from '../memory/datagram-memory.ts';
import { FrameDecoder } from '../frame/decoder.ts';
import type { Endpoint } from './endpoint.ts';
import { GoAwayCode, ResetCode, TunnelError } from '../error.ts';
import {
  decodeAnswer,
  decodeCredit,
  decodeJson,
  decodeOpen,
  decodeResume,
  encodeAnswer,
  encodeCredit,
  encodeFrame,
  encodeOpen,
  encodeReset,
  encodeResume,
  FrameType,
} from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { linkScope } from '../session/peer.ts';
import { rawKey, rawName, RawPeer } from '../raw-peer.ts';
import type { Session } from '../session/session.ts';
import { Slab, slabBytes } from '../memory/slab.ts';
import { connect, TestClock, testEndpoint, TestOwner, Wire } from '../test-world.ts';

/** node ── middle ── client; the client takes every stream. */
async function chain(limits: Partial<Limits> = {}, farDelayMs = 0) {
  const clock = new TestClock();
  const accepted: TestOwner[] = [];
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    limits,
    relayTo: (_session, { to }) => [...middle.sessions].find((s) => s.usable && s.peer.id === to.id) ?? null,
  });
  const node = testEndpoint(clock, 'node', { findDetour: () => [...node.sessions][0] ?? null });
  const client = testEndpoint(clock, 'client', {
    findDetour: () => [...client.sessions][0] ?? null,
    onOpen: (stream) => {
      accepted.push(new TestOwner(stream, 1, 0));
      stream.accept();
    },
  });
  const near = await connect(clock, node, middle, { trusted: true, scope: linkScope });
  const wire = new Wire(clock);
  wire.delayMs = farDelayMs;
  const far = await connect(clock, middle, client, { trusted: true, wire });
  const open = async (): Promise<[TestOwner, TestOwner]> => {
    const session = [...node.sessions][0] as Session;
    const opener = new TestOwner(node.open(session, {}, client.self, 'g'), 0, 1);
    await clock.advance(10 + 2 * farDelayMs);
    return [opener, accepted.at(-1) as TestOwner];
  };
  return { clock, node, middle, client, near, far, open };
}

function spoilFreeSlabs(): void {
  const slabs = Array.from({ length: 50 }, () => Slab.take());
  for (const slab of slabs) {
    for (let region = slab.region(); region !== null; region = slab.region()) {
      slab.fill(region.length).fill(0xff);
      slab.release();
    }
    slab.release();
  }
}

/** A relay between two peers that are spoken by hand: one opens, the other is the target. */
async function rawChain(limits: Partial<Limits> = {}) {
  const clock = new TestClock();
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    limits,
    relayTo: (_session, { to }) => [...middle.sessions].find((s) => s.usable && s.peer.id === to.id) ?? null,
  });
  const { raw: near } = await RawPeer.join(clock, middle);
  const far = await RawPeer.join(clock, middle, { id: 'far', bootId: 'far-boot' });
  const to = { id: 'far', bootId: 'far-boot' };
  return { clock, middle, near, far: far.raw, farSession: far.session, to };
}

/** A relay that gives each OPEN other metadata, and what it is told of the answers. */
async function tellingRelay(accepts: boolean) {
  const clock = new TestClock();
  const answers: (string | null)[] = [];
  const seen: unknown[] = [];
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    relayTo: (_session, { to }) => [...middle.sessions].find((s) => s.usable && s.peer.id === to.id) ?? null,
    onRelay: (metadata) => ({
      metadata: { ...(metadata as object), by: 'middle' },
      onAnswer: (refusal) => answers.push(refusal),
    }),
  });
  const node = testEndpoint(clock, 'node');
  const client = testEndpoint(clock, 'client', {
    onOpen: (stream) => {
      seen.push(stream.metadata);
      if (accepts) stream.accept();
      else stream.reset(ResetCode.Refused, 'test');
    },
  });
  await connect(clock, node, middle, { trusted: true, scope: linkScope });
  await connect(clock, middle, client, { trusted: true });
  const owner = new TestOwner(node.open([...node.sessions][0] as Session, { a: 1 }, client.self, 'g'), 0, 1);
  await clock.advance(10);
  return { clock, owner, answers, seen };
}

test('an OPEN can be passed on with other metadata, and the relay is told once how it was answered', async () => {
  const taken = await tellingRelay(true);
  assert.deepEqual(taken.seen, [{ a: 1, by: 'middle' }]);
  taken.owner.stream.reset(ResetCode.Cancelled, 'test');
  await taken.clock.advance(50);
  assert.deepEqual(taken.answers, [null]);
  const refused = await tellingRelay(false);
  assert.deepEqual(refused.answers, ['Refused']);
});

/** Why a test ends a session. */
const gone = new TunnelError('TUNNEL_CLOSED', 'test');

test('a relayed stream carries both directions to their ends, and the relay forgets it', async () => {
  const { clock, middle, open } = await chain();
  const [opener, acceptor] = await open();
  for (let i = 0; i < 20; i += 1) {
    opener.write(90_000);
    acceptor.write(70_000);
    await clock.advance(50);
  }
  opener.stream.end();
  await clock.advance(100);
  assert.ok(acceptor.ended && !acceptor.over);
  acceptor.stream.end();
  await clock.advance(200);
  assert.ok(opener.done && acceptor.done);
  assert.deepEqual([acceptor.received, opener.received], [opener.written, acceptor.written]);
  assert.ok(opener.written > 1_000_000);
  for (const session of middle.sessions) assert.equal(session.streamCount, 0);
  assert.equal(middle.memory.receiveReserved, 0);
});

test('a relay passes a reset on and forgets the stream', async () => {
  const { clock, middle, open } = await chain();
  const [opener, acceptor] = await open();
  opener.write(50_000);
  acceptor.stream.reset(ResetCode.Refused, 'the words');
  await clock.advance(10);
  assert.deepEqual(opener.reset, { code: ResetCode.Refused, text: 'the words', origin: 'peer' });
  assert.equal(middle.memory.receiveReserved, 0);
});

test('a reset passes a relay also as the last word on a session that the relay leaves', async () => {
  const { clock, middle, open } = await chain();
  const [opener, acceptor] = await open();
  for (const session of middle.sessions) session.goAway(GoAwayCode.ShuttingDown, 'draining');
  await clock.advance(10);
  opener.stream.reset(ResetCode.Cancelled, 'the words');
  await clock.advance(50);
  assert.deepEqual(acceptor.reset, { code: ResetCode.Cancelled, text: 'the words', origin: 'peer' });
  assert.equal(middle.sessions.size, 0);
});

test('a relay that loses one side tells the other PathLost, and the stream goes on over the next', async () => {
  for (const side of ['near', 'far'] as const) {
    const { clock, node, middle, client, near, far, open } = await chain();
    const [opener, acceptor] = await open();
    opener.write(90_000);
    acceptor.write(90_000);
    (side === 'near' ? near : far).left.destroy(gone);
    await clock.advance(10);
    assert.deepEqual([opener.reset, acceptor.reset], [null, null]);
    assert.equal(middle.memory.receiveReserved, 0);
    if (side === 'near') await connect(clock, node, middle, { trusted: true, scope: linkScope });
    else await connect(clock, middle, client, { trusted: true });
    await clock.advance(2_500);
    opener.stream.end();
    acceptor.stream.end();
    await clock.advance(3_000);
    assert.ok(opener.done && acceptor.done, side);
    assert.deepEqual([acceptor.received, opener.received], [opener.written, acceptor.written]);
    assert.equal(middle.memory.receiveReserved, 0);
  }
});

test('a slow side fills at most its window of the relay, and stalls no other stream', async () => {
  const { clock, middle, client, open } = await chain();
  const [slow, slowReader] = await open();
  const [fast, fastReader] = await open();
  slowReader.setReading(false);
  for (let i = 0; i < 60; i += 1) {
    slow.write(90_000);
    fast.write(90_000);
    await clock.advance(40);
  }
  assert.ok(slow.written <= 2 * 262_144 + 2 * 90_000 + 65_536, `${slow.written} bytes were let in`);
  assert.equal(fastReader.received, fast.written);
  assert.ok(fast.written > 3_000_000);
  assert.ok(middle.memory.receiveReserved <= 4 * 262_144);
  assert.ok(client.memory.receiveReserved <= 64 * 1_048_576);
  slowReader.setReading(true);
  await clock.advance(500);
  assert.equal(slowReader.received, slow.written);
});

test('a relayed stream is as fast on a long way as that lets it: the window at the relay grows', async () => {
  const { clock, middle, open } = await chain({}, 25);
  await clock.advance(1_000);
  const [opener, acceptor] = await open();
  for (let i = 0; i < 60; i += 1) {
    acceptor.write(1_000_000);
    await clock.advance(10);
  }
  const { received } = opener;
  for (let i = 0; i < 20; i += 1) {
    acceptor.write(1_000_000);
    await clock.advance(10);
  }
  // In 200 ms, four round trips, 20 MB were offered; with a window of 256 KiB one came.
  assert.ok(opener.received - received > 15_000_000, `${opener.received - received} bytes in 200 ms`);
  assert.ok(middle.memory.receiveReserved <= 2 * 16 * 1_048_576, 'the window stays in its bound');
});

test('a frame that came to a relay in several pieces leaves it as one, however many there are', async () => {
  const { clock, near, far, open } = await chain();
  near.wire.inSlabs = true;
  near.wire.split = (bytes) => {
    const starts = Array.from({ length: Math.ceil(bytes.length / 16_384) }, (_, index) => index * 16_384);
    return starts.map((at) => bytes.subarray(at, at + 16_384));
  };
  const [opener, acceptor] = await open();
  const sizes: number[] = [];
  const decoder = new FrameDecoder({
    handleFrame: () => {},
    handleData: (_stream, piece) => void sizes.push(piece.length),
  });
  far.wire.split = (bytes) => {
    if (acceptor.received < opener.written) decoder.push(bytes);
    return [bytes];
  };
  for (let i = 0; i < 3; i += 1) opener.write(65_528, true);
  await clock.advance(50);
  assert.equal(acceptor.received, 3 * 65_528);
  assert.deepEqual(sizes.slice(0, 3), [65_528, 65_528, 65_528]);
});

test('a whole frame that lies in a slab is passed on as it lies, and its slab is let go when it was written', async () => {
  const { clock, near, far, middle, open } = await chain();
  near.wire.inSlabs = true;
  const [opener, acceptor] = await open();
  const toFar = [...middle.sessions].find(({ peer }) => peer.id === 'client');
  const written: Buffer[] = [];
  const { left } = far.wire;
  const write = left.write.bind(left);
  left.write = (bytes, done) => {
    written.push(bytes);
    const copy = Buffer.from(bytes);
    write(bytes, () => {
      clock.after(10, () => {
        spoilFreeSlabs();
        assert.ok(copy.equals(bytes), 'the slab was free before what lies in it was written');
        done();
      });
    });
  };
  assert.ok(toFar !== undefined);
  const bytes = 40 * 65_528;
  for (let i = 0; i < 1_000 && opener.written < bytes; i += 1) {
    if (opener.stream.room >= 65_528) opener.write(65_528, true);
    await clock.advance(1);
  }
  await clock.advance(500);
  assert.equal(acceptor.received, bytes);
  const memories = new Map<ArrayBufferLike, number>();
  for (const { buffer, length } of written) memories.set(buffer, (memories.get(buffer) ?? 0) + length);
  const slabs = [...memories.keys()].filter((memory) => memory.byteLength === slabBytes);
  const inPlace = slabs.reduce((sum, memory) => sum + (memories.get(memory) as number), 0);
  assert.ok(inPlace >= 30 * 65_536, `${inPlace} bytes in place`);
  assert.ok(slabs.length < 8, `${slabs.length} slabs for what is passed on at once`);
});

test('credit at a relay: N as it is, M lowered to what was forwarded and its own window, renewed when half is used', async () => {
  const { clock, near, far, to } = await rawChain();
  near.open(1, to, { limit: 500_000_000 });
  await clock.advance(5);
  assert.equal(decodeOpen(far.payloads(FrameType.Open, 2)[0] as Buffer).limit, 262_144);
  far.send(encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 300_000_000 }));
  await clock.advance(5);
  assert.equal(decodeAnswer(near.payloads(FrameType.Opened, 1)[0] as Buffer).limit, 262_144);
  near.data(1, Buffer.alloc(60_000));
  await clock.advance(5);
  far.send(encodeCredit(2, 50_000, 400_000_000));
  await clock.advance(5);
  assert.deepEqual(decodeCredit(near.payloads(FrameType.Credit, 1).at(-1) as Buffer), {
    delivered: 50_000,
    limit: 262_144,
  });
  near.data(1, Buffer.alloc(60_000));
  near.data(1, Buffer.alloc(20_000));
  await clock.advance(5);
  assert.deepEqual(decodeCredit(near.payloads(FrameType.Credit, 1).at(-1) as Buffer), {
    delivered: 50_000,
    limit: 140_000 + 262_144,
  });
});

test('more than the credit of a relay is a RESET Protocol to both', async () => {
  const { clock, middle, near, far, to } = await rawChain();
  near.open(1, to);
  near.data(1, Buffer.alloc(16_385));
  await clock.advance(5);
  assert.equal(near.resets(1)[0]?.code, ResetCode.Protocol);
  assert.equal(far.resets(2)[0]?.code, ResetCode.Protocol);
  assert.equal(middle.memory.receiveReserved, 0);
});

test('what comes to a relay after its end, another end too, is a RESET Protocol to both', async () => {
  for (const isEnd of [false, true]) {
    const { clock, near, far, to } = await rawChain();
    near.open(1, to);
    near.fin(1);
    if (isEnd) near.fin(1);
    else near.data(1, Buffer.from('x'));
    await clock.advance(5);
    assert.deepEqual(
      [near.resets(1)[0]?.code, far.resets(2)[0]?.code],
      [ResetCode.Protocol, ResetCode.Protocol],
      String(isEnd),
    );
  }
});

test('a relay keeps a stream until the last acknowledgement of either end has gone through', async () => {
  for (const lastIsFar of [true, false]) {
    const { clock, near, far, farSession, to } = await rawChain();
    near.open(1, to);
    await clock.advance(1);
    far.send(encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 50_000 }));
    near.data(1, Buffer.alloc(100));
    far.data(2, Buffer.alloc(100));
    near.fin(1);
    far.fin(2);
    await clock.advance(1);
    const acknowledge = async (isFar: boolean, delivered: number): Promise<void> => {
      if (isFar) far.send(encodeCredit(2, delivered, 50_000));
      else near.send(encodeCredit(1, delivered, 50_000));
      await clock.advance(1);
    };
    await acknowledge(lastIsFar, 50);
    await acknowledge(!lastIsFar, 101);
    await acknowledge(lastIsFar, 100);
    assert.equal(farSession.streamCount, 1);
    await acknowledge(lastIsFar, 101);
    const heard = lastIsFar ? near.payloads(FrameType.Credit, 1) : far.payloads(FrameType.Credit, 2);
    assert.equal(decodeCredit(heard.at(-1) as Buffer).delivered, 101);
    assert.equal(farSession.streamCount, 0);
  }
});

test('a relay keeps nothing for an OPEN that its other side has no place for', async () => {
  const { clock, middle, near, to } = await rawChain({ streamsPerSessionMax: 1 });
  const from = { id: 'third', bootId: 'third-boot' };
  const third = await RawPeer.join(clock, middle, from);
  third.raw.open(1, to, { from });
  await clock.advance(5);
  const { receiveReserved } = middle.memory;
  for (const stream of [1, 3]) near.open(stream, to);
  await clock.advance(5);
  assert.deepEqual(
    [near.resets(1)[0]?.code, near.resets(3)[0]?.code],
    [ResetCode.NotRelayed, ResetCode.NotRelayed],
  );
  assert.equal(middle.memory.receiveReserved, receiveReserved);
});

test('a second RESUMED does not make a relay take more than its window', async () => {
  const { clock, middle, near, far, to } = await rawChain();
  near.resume(1, to, { key: rawKey(1) });
  await clock.advance(5);
  for (let i = 0; i < 5; i += 1) {
    far.send(encodeAnswer(FrameType.Resumed, 2, { attempt: 2, received: 0, limit: 1_000_000_000 }));
    far.send(encodeCredit(2, 0, 0));
    for (let sent = 0; sent < 262_144; sent += 65_536) near.data(1, Buffer.alloc(65_536));
  }
  await clock.advance(5);
  assert.equal(near.payloads(FrameType.Resumed, 1).length, 1);
  assert.equal(near.resets(1)[0]?.code, ResetCode.Protocol);
  assert.equal(middle.memory.receiveReserved, 0);
});

test('a stream that was relayed is not relayed again', async () => {
  const { clock, near, far, to } = await rawChain();
  const body = { from: rawName, to, relayed: true };
  near.send(encodeOpen(1, { key: rawKey(1), attempt: 1, limit: 0, body }));
  near.open(3, to);
  near.open(5, { id: 'nobody', bootId: 'b' });
  near.send(encodeOpen(7, { key: rawKey(7), attempt: 2, limit: 0, body }));
  near.send(encodeResume(9, { key: rawKey(9), attempt: 2, received: 0, limit: 0, body }));
  await clock.advance(5);
  assert.equal(near.resets(1)[0]?.code, ResetCode.NotRelayed);
  for (const again of [7, 9]) assert.equal(near.resets(again)[0]?.code, ResetCode.PathLost);
  assert.equal(near.resets(5)[0]?.code, ResetCode.NotRelayed);
  const passed = decodeOpen(far.payloads(FrameType.Open, 2)[0] as Buffer).body as { relayed: boolean };
  assert.equal(passed.relayed, true);
});

test('a relay passes on what it does not know', async () => {
  const { clock, near, far, to } = await rawChain();
  const body = { from: rawName, to, meta: { port: 1 }, later: { wants: 'more' } };
  near.send(encodeOpen(1, { key: rawKey(1), attempt: 1, limit: 100_000, body }));
  near.send(encodeFrame(99, 1, Buffer.from('unknown')));
  await clock.advance(5);
  const open = far.payloads(FrameType.Open, 2)[0] as Buffer;
  assert.deepEqual(decodeJson(open.subarray(28)), { ...body, relayed: true });
  assert.equal(far.payloads(99, 2)[0]?.toString(), 'unknown');
  const more = Buffer.from('{"v":2}');
  far.send(encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 9, more }));
  await clock.advance(5);
  assert.deepEqual(near.payloads(FrameType.Opened, 1)[0]?.subarray(20), more);
});

test('datagrams through a relay: whole, and the oldest dropped for want of room', async () => {
  const { clock, middle, near, far, to } = await rawChain({ datagramBytesMax: 1_100 });
  near.open(1, to);
  await clock.advance(5);
  near.send(
    ...Array.from({ length: 10 }, (_, i) => encodeFrame(FrameType.Datagram, 1, Buffer.alloc(200, i))),
  );
  await clock.advance(5);
  assert.deepEqual(
    far.payloads(FrameType.Datagram, 2).map((payload) => [payload.length, payload[0]]),
    [5, 6, 7, 8, 9].map((first) => [200, first]),
  );
  assert.equal(middle.relayedDropped, 5);
});

test('datagrams that wait in a relay go with their stream', async () => {
  const { clock, near, far, to } = await rawChain();
  near.open(1, to);
  await clock.advance(5);
  const { used } = datagramMemory;
  near.send(
    encodeFrame(FrameType.Datagram, 1, Buffer.alloc(200)),
    encodeReset(1, ResetCode.Cancelled, 'the flow is silent'),
  );
  await clock.advance(5);
  assert.deepEqual([far.payloads(FrameType.Datagram, 2).length, datagramMemory.used], [0, used]);
});

test('metadata that does not fit once it says that it was relayed breaks only its stream', async () => {
  const { clock, middle, near, far, farSession, to } = await rawChain();
  const overhead = JSON.stringify({ from: rawName, to, meta: '' }).length + 28;
  near.open(1, to, { meta: 'x'.repeat(16_384 - overhead) });
  await clock.advance(5);
  assert.equal(near.resets(1)[0]?.code, ResetCode.Limit);
  assert.deepEqual([middle.sessions.size, farSession.streamCount], [2, 0]);
  assert.equal(middle.memory.receiveReserved, 0);
  near.open(3, to);
  await clock.advance(5);
  assert.equal(far.seen.filter(({ type }) => type === FrameType.Open).length, 1);
  assert.equal(far.closed, false);
});

test('a relay without room or way says so to a first OPEN, and PathLost to what may be under way', async () => {
  const { clock, near, to } = await rawChain({ receiveBytesPerProcessMax: 60_000 });
  for (const stream of [1, 3]) near.open(stream, to);
  near.open(5, to, { attempt: 2 });
  near.resume(7, to, { key: rawKey(9) });
  near.resume(9, { id: 'nobody', bootId: 'b' }, { key: rawKey(10) });
  await clock.advance(5);
  const codes = [1, 3, 5, 7, 9].map((stream) => near.resets(stream)[0]?.code);
  const { NotRelayed, PathLost } = ResetCode;
  assert.deepEqual(codes, [undefined, NotRelayed, PathLost, PathLost, PathLost]);
});

test('on a link between nodes each OPEN and RESUME names its gateway, on a tunnel none does', async () => {
  const clock = new TestClock();
  const asked: unknown[] = [];
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    relayTo: (_session, { scope, to }) => {
      asked.push(scope);
      return [...middle.sessions].find((s) => s.peer.id === to.id) ?? null;
    },
  });
  const link = await RawPeer.join(clock, middle, { scope: linkScope, id: 'edge-9', trusted: true });
  const tunnel = await RawPeer.join(clock, middle, { scope: 'g', id: 'c', bootId: 'c-boot' });
  const from = { id: 'edge-9', bootId: 'b' };
  const to = { id: 'c', bootId: 'c-boot' };
  link.raw.send(
    encodeOpen(1, { key: rawKey(1), attempt: 1, limit: 0, body: { from, to, gateway: 'g' } }),
    encodeOpen(3, { key: rawKey(3), attempt: 1, limit: 0, body: { from, to } }),
  );
  const back = { from: to, to: { id: 'edge-9', bootId: 'raw-boot' }, gateway: 'not asked for' };
  tunnel.raw.send(encodeResume(1, { key: rawKey(5), attempt: 2, received: 0, limit: 0, body: back }));
  await clock.advance(5);
  assert.deepEqual(asked, ['g', 'g']);
  assert.equal(link.raw.resets(3)[0]?.code, ResetCode.Protocol);
  const opened = decodeOpen(tunnel.raw.payloads(FrameType.Open, 2)[0] as Buffer).body;
  assert.deepEqual(opened, { from, to, relayed: true });
  const resumed = decodeResume(link.raw.payloads(FrameType.Resume, 2)[0] as Buffer).body;
  assert.deepEqual(resumed, { ...back, gateway: 'g', relayed: true });
});

test('a relay resets what it relays over one session at both ends, and nothing else', async () => {
  const { clock, middle, far, open } = await chain();
  const [opener, acceptor] = await open();
  middle.resetRelayed(far.left, ResetCode.Disabled, 'the token was revoked');
  await clock.advance(5);
  for (const end of [opener, acceptor]) assert.equal(end.reset?.code, ResetCode.Disabled);
  assert.equal(middle.memory.receiveReserved, 0);
});

test('streams leave a session that still works for another path, and stay where there is none', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const client = testEndpoint(clock, 'client', {
    onOpen: (stream) => {
      accepted.push(new TestOwner(stream, 1, 0));
      stream.accept();
    },
  });
  const accepted: TestOwner[] = [];
  const { left: first } = await connect(clock, node, client);
  const opener = new TestOwner(node.open(first, {}), 0, 1);
  await clock.advance(5);
  node.moveStreams(first);
  assert.deepEqual([first.usable, first.streamCount], [false, 1]);
  const { left: second } = await connect(clock, node, client);
  node.moveStreams(first);
  opener.write(50_000);
  await clock.advance(20);
  assert.deepEqual([first.streamCount, second.streamCount], [0, 1]);
  assert.equal(accepted[0]?.received, 50_000);
});

test('a stream does not leave a path of its own that works for one through a relay', async () => {
  const { clock, node, client } = await chain();
  const { left: direct } = await connect(clock, node, client);
  const opener = new TestOwner(node.open(direct, {}), 0, 1);
  await clock.advance(5);
  node.moveStreams(direct);
  assert.equal(direct.streamCount, 1);
  direct.destroy(new TunnelError('TUNNEL_CLOSED', 'test'));
  await clock.advance(20);
  assert.equal(opener.stream.session, [...node.sessions][0], 'and takes that one when its own is gone');
});

test('an end that is done already acknowledges through a relay too, or the other would resume again and again', async () => {
  const clock = new TestClock();
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    relayTo: (_session, { to }) => [...middle.sessions].find(({ peer }) => peer.id === to.id) ?? null,
  });
  const near = await RawPeer.join(clock, middle, { id: 'near' });
  const far = await RawPeer.join(clock, middle, { id: 'far', trusted: true });
  near.raw.resume(1, { id: 'far', bootId: rawName.bootId }, { from: { ...rawName, id: 'near' } });
  await clock.advance(5);
  const [asked] = far.raw.seen.filter(({ type }) => type === FrameType.Resume);
  assert.ok(asked !== undefined);
  far.raw.send(
    encodeAnswer(FrameType.Resumed, asked.stream, { attempt: 2, received: 8, limit: 8 }),
    encodeCredit(asked.stream, 8, 8),
    encodeReset(asked.stream, ResetCode.PathLost, 'the stream has ended in order'),
  );
  await clock.advance(5);
  const answered = near.raw.seen.filter(({ stream }) => stream === 1).map(({ type }) => type);
  assert.deepEqual(answered, [FrameType.Resumed, FrameType.Credit, FrameType.Reset]);
  assert.equal(decodeCredit(near.raw.payloads(FrameType.Credit, 1)[0] as Buffer).delivered, 8);
});
