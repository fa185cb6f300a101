import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GoAwayCode, ResetCode, type TunnelError } from '../error.ts';
import {
  decodeGoAway,
  encodeAnswer,
  encodeBody,
  encodeFrame,
  encodeGoAway,
  FrameType,
} from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import type { CarrierEvents } from '../carrier/carrier.ts';
import { memoryCarrierPair } from '../carrier/memory-carrier.ts';
import { sessionExample } from '../frame/protocol-page.ts';
import { pageClient, rawName, RawPeer } from '../raw-peer.ts';
import { connect, TestClock, testEndpoint, TestOwner, Wire } from '../test-world.ts';

/** A node that takes every stream, and a raw peer with a session to it. */
async function world(limits: Partial<Limits> = {}) {
  const clock = new TestClock();
  const owners: TestOwner[] = [];
  const closed: TunnelError[] = [];
  const controls: unknown[] = [];
  const lost: TunnelError[] = [];
  const node = testEndpoint(clock, 'node', {
    limits,
    onOpen: (stream) => {
      owners.push(new TestOwner(stream, 1, 0));
      stream.accept();
    },
    onControl: (_session, body) => {
      controls.push(body);
    },
    onControlLost: (_session, error) => {
      lost.push(error);
    },
    onSessionClose: (_session, cause) => {
      closed.push(cause);
    },
  });
  return { clock, node, owners, closed, controls, lost, ...(await RawPeer.join(clock, node)) };
}

/** What an endpoint that is dialled makes of these first bytes. */
async function handshakeWith(bytes: Buffer): Promise<{ code: string; raw: RawPeer }> {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const raw = new RawPeer(clock);
  const accepting = node.accept(raw.wire.left, {
    hello: {},
    authenticate: () => Promise.resolve({ peer: { scope: 'g', ...rawName }, welcome: {} }),
  });
  const refused = accepting.then(
    () => 'accepted',
    (error: TunnelError) => error.code,
  );
  if (bytes.length > 0) raw.send(bytes);
  await clock.advance(20_000);
  return { code: await refused, raw };
}

test('the worked session of the protocol’s page is what a client says to that node', async () => {
  const clock = new TestClock();
  const client = pageClient(clock);
  const raw = new RawPeer(clock);
  const lines = sessionExample();
  const hello = lines.find(({ from }) => from === 'client')?.frame as Buffer;
  const up = client.connect(raw.wire.left, {
    answer: () => Promise.resolve(JSON.parse(hello.toString('utf8', 8)) as object),
    welcome: () => ({ scope: 'g', id: 'edge-1', bootId: 'n0de-b00t', trusted: true }),
  });
  const said: string[] = [];
  for (const [i, { from, frame }] of lines.entries()) {
    if (from === 'client') continue;
    raw.send(frame);
    await clock.advance(lines[i + 1]?.from === 'client' && i > 5 ? 25 : 0);
  }
  await up;
  for (const { type, stream, payload } of raw.seen)
    said.push(encodeFrame(type, stream, payload).toString('hex'));
  assert.deepEqual(
    said,
    lines.filter(({ from }) => from === 'client').map(({ frame }) => frame.toString('hex')),
  );
  assert.equal(client.streams.size, 0);
});

test('a carrier that brings no whole handshake in time is cut', async () => {
  const silent = await handshakeWith(Buffer.alloc(0));
  assert.equal(silent.code, 'TUNNEL_HANDSHAKE_TIMEOUT');
  assert.ok(silent.raw.closed);
  const half = await handshakeWith(encodeBody(FrameType.Hello, {}).subarray(0, 9));
  assert.equal(half.code, 'TUNNEL_HANDSHAKE_TIMEOUT');
});

test('any other frame in the handshake ends it', async () => {
  for (const frame of [
    encodeBody(FrameType.Welcome, {}),
    encodeBody(FrameType.Control, {}),
    encodeFrame(FrameType.Ping, 0, Buffer.alloc(8)),
    encodeFrame(FrameType.Data, 1, Buffer.alloc(8)),
    encodeFrame(99, 0, Buffer.alloc(8)),
    encodeFrame(FrameType.Hello, 1, Buffer.from('{}')),
  ]) {
    const { code, raw } = await handshakeWith(frame);
    assert.equal(code, 'TUNNEL_PROTOCOL_VIOLATED', `type ${frame[0]}`);
    assert.ok(raw.closed);
    assert.equal(decodeGoAway(raw.payloads(FrameType.GoAway, 0)[0] as Buffer).code, GoAwayCode.Protocol);
  }
});

test('HELLO that is no JSON ends the handshake', async () => {
  const { code } = await handshakeWith(encodeFrame(FrameType.Hello, 0, Buffer.from('{no')));
  assert.equal(code, 'TUNNEL_FRAME_MALFORMED');
});

test('who is refused hears the code, and no more than a code of one', async () => {
  for (const [thrown, text] of [
    [Object.assign(new Error('too late'), { code: 'EDGE_TICKET_EXPIRED' }), 'EDGE_TICKET_EXPIRED: too late'],
    [new Error('secret detail'), 'INTERNAL: the handshake failed'],
  ] as const) {
    const clock = new TestClock();
    const node = testEndpoint(clock, 'node');
    const client = testEndpoint(clock, 'client');
    const wire = new Wire(clock);
    const accepting = node.accept(wire.left, { hello: {}, authenticate: () => Promise.reject(thrown) });
    const connecting = client.connect(wire.right, {
      answer: () => Promise.resolve({}),
      welcome: () => assert.fail('welcomed'),
    });
    const both = Promise.allSettled([accepting, connecting]);
    await clock.advance(10);
    const [accepted, connected] = await both;
    assert.equal(accepted.status === 'rejected' && accepted.reason, thrown);
    assert.ok(connected.status === 'rejected');
    const error = connected.reason as TunnelError;
    assert.deepEqual([error.code, error.message, error.detail], ['TUNNEL_REFUSED', text, text.split(':')[0]]);
  }
});

test('a WELCOME that does not fit its frame ends the handshake at once', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const raw = new RawPeer(clock);
  const accepting = node.accept(raw.wire.left, {
    hello: {},
    authenticate: () =>
      Promise.resolve({ peer: { scope: 'g', ...rawName }, welcome: { long: 'x'.repeat(70_000) } }),
  });
  raw.send(encodeBody(FrameType.Hello, {}));
  const rejected = assert.rejects(accepting, { code: 'TUNNEL_CONTROL_TOO_LONG' });
  await clock.advance(1);
  await rejected;
  assert.ok(raw.closed);
});

test('a HELLO that was there before its session was is read', async () => {
  const node = testEndpoint(new TestClock(), 'node');
  const clock = new TestClock();
  const [left, right] = memoryCarrierPair(clock);
  const accepting = node.accept(left, {
    hello: {},
    authenticate: () => Promise.resolve({ peer: { scope: 'g', ...rawName }, welcome: {} }),
  });
  accepting.catch(() => {});
  left.write(encodeBody(FrameType.Hello, {}), () => {});
  await clock.advance(1);
  const connecting = testEndpoint(clock, 'client').connect(right, {
    answer: () => Promise.resolve({}),
    welcome: () => ({ scope: 'g', id: 'node', bootId: 'b' }),
  });
  await clock.advance(0);
  left.write(encodeBody(FrameType.Welcome, {}), () => {});
  await clock.advance(1);
  await connecting;
  left.destroy();
});

test('an endpoint that closes lets no handshake linger', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const raw = new RawPeer(clock);
  const accepting = node.accept(raw.wire.left, { hello: {}, authenticate: () => assert.fail() });
  node.close();
  await assert.rejects(accepting, { code: 'TUNNEL_CLOSED' });
  await clock.advance(1);
  assert.ok(raw.closed);
});

test('a carrier that is at its end before it begins ends the handshake at once', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const [left] = memoryCarrierPair();
  const carrier = Object.assign(left, {
    start: (events: CarrierEvents) => events.handleClose(null),
  });
  const accepting = node.accept(carrier, { hello: {}, authenticate: () => assert.fail() });
  await assert.rejects(accepting, { code: 'TUNNEL_CARRIER_CLOSED' });
});

test('a second HELLO or WELCOME breaks the protocol', async () => {
  for (const type of [FrameType.Hello, FrameType.Welcome]) {
    const { clock, raw, closed } = await world();
    raw.send(encodeBody(type, {}));
    await clock.advance(1);
    assert.equal(closed[0]?.code, 'TUNNEL_PROTOCOL_VIOLATED');
    assert.ok(raw.closed);
  }
});

test('a stream under a number that is not the peer’s, or was used, breaks the protocol', async () => {
  for (const numbers of [[2], [3, 1], [5, 5], [0xffff_ffff]]) {
    const { clock, node, raw, closed } = await world();
    for (const number of numbers) raw.open(number, node.self);
    await clock.advance(1);
    assert.equal(closed[0]?.code, 'TUNNEL_PROTOCOL_VIOLATED', String(numbers));
  }
  const { clock, node, raw, closed } = await world();
  raw.open(0xffff_fffd, node.self);
  await clock.advance(1);
  assert.deepEqual(closed, []);
});

test('a frame for a stream that was never opened breaks the protocol', async () => {
  for (const [stream, type] of [
    [1, FrameType.Fin],
    [2, FrameType.Fin],
    [0, FrameType.Data],
    [7, FrameType.Data],
  ] as const) {
    const { clock, raw, closed } = await world();
    raw.send(encodeFrame(type, stream, type === FrameType.Data ? Buffer.from('x') : Buffer.alloc(0)));
    await clock.advance(1);
    assert.equal(closed[0]?.code, 'TUNNEL_PROTOCOL_VIOLATED');
    const goAway = decodeGoAway(raw.payloads(FrameType.GoAway, 0)[0] as Buffer);
    assert.equal(goAway.code, GoAwayCode.Protocol);
  }
});

test('late frames for a stream that has ended are dropped without a word', async () => {
  const { clock, node, raw, owners, closed } = await world();
  raw.open(5, node.self);
  await clock.advance(1);
  owners[0]?.stream.reset(ResetCode.Cancelled, 'test');
  await clock.advance(1);
  raw.seen.length = 0;
  raw.data(5, Buffer.alloc(100));
  raw.fin(5);
  raw.data(3, Buffer.from('a gap is late too'));
  await clock.advance(1);
  assert.deepEqual([raw.seen.length, closed.length], [0, 0]);
});

test('frames and CONTROL kinds of a later version are passed over', async () => {
  const { clock, node, raw, owners, closed, controls } = await world();
  raw.open(1, node.self);
  raw.send(encodeFrame(99, 0, Buffer.from('x')), encodeFrame(99, 1, Buffer.from('x')));
  raw.send(encodeBody(FrameType.Control, { kind: 'later' }));
  raw.send(encodeGoAway(1, 77, 'a later code'));
  await clock.advance(1);
  assert.deepEqual(controls, [{ kind: 'later' }]);
  assert.deepEqual([closed.length, owners[0]?.reset], [0, null]);
});

test('a peer that asks and never reads is cut when too much waits for it', async () => {
  const { clock, node, raw, closed } = await world({ controlBytesMax: 100_000 });
  await clock.advance(1);
  raw.wire.swallows = true;
  for (let i = 0; i < 1_000 && closed.length === 0; i += 1) {
    raw.open(1 + 2 * i, { id: 'another', bootId: 'process' });
    await clock.advance(0);
  }
  assert.equal(closed[0]?.code, 'TUNNEL_PEER_NOT_READING');
  assert.equal(node.sessions.size, 0);
});

test('a flood of PINGs is answered once per turn, with the newest', async () => {
  const { clock, raw } = await world();
  const pings = Array.from({ length: 500 }, (_, i) => {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(i);
    return encodeFrame(FrameType.Ping, 0, payload);
  });
  raw.send(...pings);
  await clock.advance(1);
  const pongs = raw.payloads(FrameType.Pong, 0);
  assert.deepEqual(
    pongs.map((pong) => pong.readUInt32BE(0)),
    [499],
  );
});

test('PING goes out each second at first, then in time, and a session that hears nothing for deadAfterMs is dead', async () => {
  const { clock, raw, closed } = await world();
  await clock.advance(6_500);
  assert.equal(raw.payloads(FrameType.Ping, 0).length, 4);
  await clock.advance(3_000);
  assert.equal(raw.payloads(FrameType.Ping, 0).length, 5);
  assert.equal(closed.length, 0);
  await clock.advance(2_000);
  assert.equal(closed[0]?.code, 'TUNNEL_DEAD');
});

test('a process that stood still for less than deadAfterMs loses no session by it, since nobody has listened', async () => {
  const clock = new TestClock();
  const { left, right } = await connect(clock, testEndpoint(clock, 'node'), testEndpoint(clock, 'client'));
  await clock.advance(22_900);
  for (let again = 0; again < 20; again += 1) {
    clock.standStill(8_000);
    await clock.advance(4_500);
    assert.deepEqual([left.closed, right.closed], [false, false]);
  }
});

test('a session that hears nothing is dead also where its process stands still again and again', async () => {
  const clock = new TestClock();
  const { wire, left } = await connect(clock, testEndpoint(clock, 'node'), testEndpoint(clock, 'client'));
  wire.swallows = true;
  for (let again = 0; again < 11; again += 1) {
    clock.standStill(5_000);
    await clock.advance(1);
  }
  assert.equal(left.closed, true);
});

test('a PONG measures the round trip; one with a time that cannot be is passed over', async () => {
  const clock = new TestClock();
  const wire = new Wire(clock);
  wire.delayMs = 20;
  const { left } = await connect(clock, testEndpoint(clock, 'node'), testEndpoint(clock, 'client'), { wire });
  await clock.advance(200);
  assert.equal(left.roundTripMs, 40);
  const { raw, session } = await world();
  for (const time of [Number.NaN, -1e300, 1e300]) {
    const payload = Buffer.alloc(8);
    payload.writeDoubleBE(time);
    raw.send(encodeFrame(FrameType.Pong, 0, payload));
  }
  assert.equal(session.roundTripMs, null);
});

test('an end that says GOAWAY takes no more streams, and closes when the last has left', async () => {
  const { clock, node, raw, owners, session, closed } = await world();
  raw.open(1, node.self);
  await clock.advance(1);
  session.goAway(GoAwayCode.ShuttingDown, 'draining');
  raw.open(3, node.self);
  await clock.advance(1);
  assert.deepEqual(decodeGoAway(raw.payloads(FrameType.GoAway, 0)[0] as Buffer), {
    lastStream: 1,
    code: GoAwayCode.ShuttingDown,
    text: 'draining',
  });
  assert.equal(raw.resets(3)[0]?.code, ResetCode.ShuttingDown);
  assert.equal(session.usable, false);
  assert.throws(() => node.open(session, {}), { code: 'TUNNEL_STREAM_LIMIT' });
  assert.equal(closed.length, 0);
  owners[0]?.stream.reset(ResetCode.Cancelled, 'test');
  await clock.advance(1);
  assert.deepEqual([closed[0]?.code, raw.closed], ['TUNNEL_CLOSED', true]);
});

for (const leaving of ['opener', 'acceptor'] as const) {
  test(`the last stream of a session that its ${leaving} leaves ends in order at both ends`, async () => {
    const clock = new TestClock();
    const owners: TestOwner[] = [];
    const node = testEndpoint(clock, 'node');
    const client = testEndpoint(clock, 'client', {
      onOpen: (stream) => {
        owners.push(new TestOwner(stream, 1, 0));
        stream.accept();
      },
    });
    const { left, right } = await connect(clock, node, client);
    owners.push(new TestOwner(node.open(left, {}), 0, 1));
    await clock.advance(10);
    const [opener, acceptor] = owners as [TestOwner, TestOwner];
    (leaving === 'opener' ? left : right).goAway(GoAwayCode.ShuttingDown, 'draining');
    await clock.advance(10);
    const [first, last] = leaving === 'opener' ? [opener, acceptor] : [acceptor, opener];
    for (const owner of [first, last]) {
      owner.write(1);
      owner.stream.end();
      await clock.advance(100);
    }
    assert.deepEqual([opener.done, acceptor.done, left.closed, right.closed], [true, true, true, true]);
  });
}

test('an end that refuses its peer later on says what it has taken, since that may have reached its resource', async () => {
  const { clock, node, raw, session } = await world();
  raw.open(1, node.self);
  await clock.advance(1);
  session.refuse(GoAwayCode.Refused, 'EDGE_TOKEN_REVOKED: the token was revoked');
  await clock.advance(1);
  assert.equal(decodeGoAway(raw.payloads(FrameType.GoAway, 0)[0] as Buffer).lastStream, 1);
  assert.equal(raw.closed, true);
});

test('who hears GOAWAY keeps the streams that were taken, and opens those that were not elsewhere', async () => {
  const { clock, node, raw, session } = await world();
  const taken = new TestOwner(node.open(session, {}), 0, 1);
  const untaken = new TestOwner(node.open(session, {}), 2, 3);
  await clock.advance(1);
  const other = await RawPeer.join(clock, node);
  raw.send(encodeGoAway(2, GoAwayCode.ShuttingDown, 'draining'));
  await clock.advance(1);
  assert.equal(taken.stream.session, session);
  assert.equal(other.raw.payloads(FrameType.Open, 2).length, 1);
  assert.equal(untaken.stream.session, other.session);
});

test('a stream that is opened elsewhere has left the session that did not take it, with all that it has to say', async () => {
  const { clock, node, raw, session } = await world();
  const taken = new TestOwner(node.open(session, {}), 0, 1);
  const untaken = new TestOwner(node.open(session, {}), 2, 3);
  await clock.advance(1);
  raw.send(encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 1_000 }));
  const other = await RawPeer.join(clock, node);
  taken.stream.events.onData = () => untaken.write(100);
  raw.send(
    encodeFrame(FrameType.Data, 2, Buffer.from('x')),
    encodeGoAway(2, GoAwayCode.ShuttingDown, 'draining'),
  );
  assert.equal(session.streamCount, 1);
  await clock.advance(1);
  assert.deepEqual(
    raw.seen.filter(({ type }) => type === FrameType.Data),
    [],
  );
  assert.equal(other.raw.received(2).length, 100);
});

test('an end says once that it goes, whatever leaves it after that', async () => {
  const { clock, node, raw, session } = await world();
  raw.open(1, node.self);
  await clock.advance(1);
  for (let said = 0; said < 2; said += 1) session.goAway(GoAwayCode.ShuttingDown, 'draining');
  await clock.advance(1);
  assert.equal(raw.payloads(FrameType.GoAway, 0).length, 1);
});

test('a peer that says GOAWAY again and again breaks the protocol', async () => {
  const { clock, raw, closed } = await world();
  const frame = encodeGoAway(0, GoAwayCode.ShuttingDown, 'draining');
  raw.send(frame, frame, frame, frame);
  await clock.advance(1);
  assert.equal(closed.length, 0);
  raw.send(frame);
  await clock.advance(1);
  assert.equal(closed[0]?.code, 'TUNNEL_PROTOCOL_VIOLATED');
});

test('what OPEN says of its sender goes back in RESUME with no more than a name', async () => {
  const { clock, raw, node, owners } = await world();
  const from = { ...rawName, junk: 'x'.repeat(8_000) };
  raw.open(1, node.self, { from });
  await clock.advance(1);
  assert.deepEqual(owners[0]?.stream.peer, rawName);
});

test('OPEN for another boot of this process is not taken: its first may have reached the former’s resource', async () => {
  const { clock, node, raw, owners } = await world();
  raw.open(1, { id: node.self.id, bootId: 'former' });
  raw.open(3, { id: node.self.id, bootId: 'former' }, { attempt: 2 });
  await clock.advance(1);
  assert.equal(owners.length, 0);
  assert.deepEqual(
    [raw.resets(1)[0]?.code, raw.resets(3)[0]?.code],
    [ResetCode.NotRelayed, ResetCode.PathLost],
  );
});

test('streams that are picked are reset at once with what is said of it, and no others', async () => {
  const { clock, node, raw, owners } = await world();
  for (const stream of [1, 3]) raw.open(stream, node.self, { meta: stream });
  await clock.advance(1);
  assert.equal(
    node.resetStreams(({ metadata }) => metadata === 3, ResetCode.Denied, 'the list'),
    1,
  );
  await clock.advance(1);
  assert.deepEqual([raw.resets(1), raw.resets(3)], [[], [{ code: ResetCode.Denied, text: 'the list' }]]);
  assert.deepEqual([...node.streams.values()], [owners[0]?.stream]);
});

test('OPEN above streamsPerSessionMax is refused with Limit', async () => {
  const { clock, node, raw, owners } = await world({ streamsPerSessionMax: 2 });
  for (const stream of [1, 3, 5]) raw.open(stream, node.self);
  await clock.advance(1);
  assert.equal(owners.length, 2);
  assert.deepEqual([raw.resets(3).length, raw.resets(5)[0]?.code], [0, ResetCode.Limit]);
});

test('a repeated OPEN and RESUME never hear from a full session that nothing reached the resource', async () => {
  const { clock, node, raw } = await world({ streamsPerSessionMax: 1 });
  raw.open(1, node.self);
  raw.open(3, node.self, { attempt: 2 });
  raw.resume(5, node.self);
  await clock.advance(1);
  assert.equal(raw.resets(3)[0]?.code, ResetCode.PathLost);
  assert.equal(raw.resets(5)[0]?.code, ResetCode.PathLost);
});

test('when no floor of window is left OPEN is refused with Limit', async () => {
  const { clock, node, raw, session } = await world({ receiveBytesPerSessionMax: 40_000 });
  for (const stream of [1, 3, 5]) raw.open(stream, node.self);
  await clock.advance(1);
  assert.deepEqual([raw.resets(3).length, raw.resets(5)[0]?.code], [0, ResetCode.Limit]);
  assert.throws(() => node.open(session, {}), { code: 'TUNNEL_STREAM_LIMIT' });
});

test('a control body that does not fit a frame is not sent, the owner is told, and the session goes on', async () => {
  const { clock, node, raw, session, lost } = await world();
  session.sendControl({ text: 'é'.repeat(40_000) });
  session.sendControl({ text: 'short' });
  await clock.advance(1);
  assert.deepEqual(
    lost.map(({ code }) => code),
    ['TUNNEL_CONTROL_TOO_LONG'],
  );
  assert.equal(session.closed, false);
  raw.open(1, node.self);
  await clock.advance(1);
  assert.equal(node.streams.size, 1);
});

test('metadata that does not fit OPEN is refused and leaves nothing behind', async () => {
  const { node, session } = await world();
  assert.throws(() => node.open(session, 'x'.repeat(20_000)), { code: 'TUNNEL_CONTROL_TOO_LONG' });
  assert.deepEqual([session.streamCount, node.memory.receiveReserved, node.streams.size], [0, 0, 0]);
});

test('a first OPEN that a peer went away without taking is given back where no other session leads there', async () => {
  const { clock, raw, session, node } = await world();
  const owner = new TestOwner(node.open(session, {}), 0, 1);
  raw.send(encodeGoAway(0, GoAwayCode.ShuttingDown, 'gone'));
  await clock.advance(5);
  assert.deepEqual([owner.reset?.code, owner.reset?.origin], [ResetCode.ShuttingDown, 'peer']);
  assert.equal(node.streams.size, 0);
  assert.equal(node.memory.receiveReserved, 0);
});
