import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetCode } from '../error.ts';
import {
  decodeAnswer,
  decodeCredit,
  encodeAnswer,
  encodeCredit,
  encodeFrame,
  encodeReset,
  FrameType,
} from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { datagramMemory } from '../memory/datagram-memory.ts';
import { rawKey, RawPeer } from '../raw-peer.ts';
import { connect, patternBytes, TestClock, testEndpoint, TestOwner } from '../test-world.ts';

/** Two endpoints; the client takes every stream. */
async function pair(limits: Partial<Limits> = {}) {
  const clock = new TestClock();
  const accepted: TestOwner[] = [];
  const node = testEndpoint(clock, 'node', { limits });
  const client = testEndpoint(clock, 'client', {
    limits,
    onOpen: (stream) => {
      accepted.push(new TestOwner(stream, 1, 0));
      stream.accept();
    },
  });
  const { left } = await connect(clock, node, client);
  const open = async (): Promise<[TestOwner, TestOwner]> => {
    const opener = new TestOwner(node.open(left, {}), 0, 1);
    await clock.advance(5);
    return [opener, accepted.at(-1) as TestOwner];
  };
  return { clock, node, client, session: left, open };
}

/** A node with a stream that a raw peer opened, taken unless `accept` is false. */
async function rawWorld({ accept = true, limits = {} }: { accept?: boolean; limits?: Partial<Limits> } = {}) {
  const clock = new TestClock();
  let owner!: TestOwner;
  const node = testEndpoint(clock, 'node', {
    limits,
    onOpen: (stream) => {
      owner = new TestOwner(stream, 1, 0);
      if (accept) stream.accept();
    },
  });
  const { raw, session } = await RawPeer.join(clock, node);
  raw.open(1, node.self);
  await clock.advance(5);
  return { clock, node, raw, session, owner };
}

test('bytes go both ways, and each direction ends on its own', async () => {
  const { clock, node, client, open } = await pair();
  const [opener, acceptor] = await open();
  opener.write(100_000);
  opener.stream.end();
  await clock.advance(100);
  assert.deepEqual([acceptor.received, acceptor.ended, acceptor.over], [100_000, true, false]);
  acceptor.write(50_000);
  await clock.advance(100);
  assert.deepEqual([opener.received, opener.ended], [50_000, false]);
  acceptor.stream.end();
  await clock.advance(100);
  assert.ok(opener.done && acceptor.done && opener.ended);
  for (const endpoint of [node, client]) {
    assert.equal(endpoint.streams.size, 0);
    assert.deepEqual(endpoint.memory, { receiveReserved: 0, sendReserved: 0 });
  }
});

test('the acceptor may end first', async () => {
  const { clock, open } = await pair();
  const [opener, acceptor] = await open();
  acceptor.stream.end();
  await clock.advance(50);
  assert.ok(opener.ended && !opener.over);
  opener.write(10_000);
  opener.stream.end();
  await clock.advance(100);
  assert.equal(acceptor.received, 10_000);
  assert.ok(opener.done && acceptor.done);
});

test('nothing is written after the end', async () => {
  const { clock, open } = await pair();
  const [opener, acceptor] = await open();
  opener.stream.end();
  assert.equal(opener.stream.room, 0);
  opener.stream.writeCopy(Buffer.from('x'));
  opener.stream.write(Buffer.from('x'));
  await clock.advance(50);
  assert.deepEqual([acceptor.received, acceptor.ended], [0, true]);
});

test('a reset ends both directions at both ends, with code and text', async () => {
  for (const side of [0, 1] as const) {
    const { clock, node, client, open } = await pair();
    const owners = await open();
    owners[0].write(50_000);
    owners[1].write(50_000);
    owners[side].stream.reset(ResetCode.Cancelled, 'the words');
    await clock.advance(10);
    const reset = { code: ResetCode.Cancelled, text: 'the words' };
    assert.deepEqual(owners[side].reset, { ...reset, origin: 'here' });
    assert.deepEqual(owners[1 - side]?.reset, { ...reset, origin: 'peer' });
    assert.deepEqual([node.streams.size, client.streams.size], [0, 0]);
    assert.equal(node.memory.sendReserved + client.memory.sendReserved, 0);
  }
});

test('a stream that was reset keeps nothing, not what waited in it and not what is written to it after', async () => {
  const { clock, node, open } = await pair();
  const [{ stream }] = await open();
  const datagrams = datagramMemory.used;
  stream.sendDatagram(Buffer.alloc(100));
  assert.ok(datagramMemory.used > datagrams);
  stream.reset(ResetCode.Cancelled, 'test');
  assert.equal(stream.room, 0);
  stream.write(Buffer.alloc(100_000));
  stream.writeCopy(Buffer.alloc(100_000));
  stream.end();
  assert.equal(stream.sendDatagram(Buffer.alloc(100)), 1);
  await clock.advance(5);
  const { receiveReserved, sendReserved } = node.memory;
  assert.deepEqual([receiveReserved, sendReserved, stream.bufferedBytes], [0, 0, 0]);
  assert.equal(datagramMemory.used, datagrams);
});

test('early bytes are kept and handed on when the stream is accepted, small ones together', async () => {
  const { clock, raw, owner } = await rawWorld({ accept: false });
  const early = patternBytes(0, 0, 16_384);
  for (let at = 0; at < 100; at += 1) raw.data(1, early.subarray(at, at + 1));
  raw.data(1, early.subarray(100));
  raw.fin(1);
  assert.deepEqual([owner.received, owner.ended], [0, false]);
  await clock.advance(5);
  assert.equal(raw.payloads(FrameType.Opened, 1).length, 0);
  owner.stream.accept();
  assert.deepEqual([owner.received, owner.ended], [16_384, true]);
  await clock.advance(5);
  const opened = decodeAnswer(raw.payloads(FrameType.Opened, 1)[0] as Buffer);
  assert.deepEqual([opened.attempt, opened.received], [1, 16_385]);
});

test('an acceptor says nothing before OPENED', async () => {
  const { clock, raw, owner } = await rawWorld({ accept: false });
  owner.stream.writeCopy(Buffer.from('early'));
  owner.stream.end();
  await clock.advance(100);
  assert.deepEqual(
    raw.seen.filter((frame) => frame.stream === 1),
    [],
  );
  owner.stream.accept();
  await clock.advance(100);
  assert.deepEqual(
    raw.seen.filter((frame) => frame.stream === 1).map((frame) => frame.type),
    [FrameType.Opened, FrameType.Data, FrameType.Fin],
  );
});

test('an opener sends its floor before OPENED and the rest after', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const { raw, session } = await RawPeer.join(clock, node);
  const stream = node.open(session, {});
  stream.write(Buffer.alloc(50_000));
  stream.end();
  await clock.advance(1_000);
  assert.equal(raw.received(2).length, 16_384);
  raw.send(encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 40_000 }));
  await clock.advance(5);
  assert.equal(raw.received(2).length, 40_000);
  raw.send(encodeCredit(2, 40_000, 50_000));
  await clock.advance(5);
  assert.equal(raw.received(2).length, 50_000);
  assert.equal(raw.payloads(FrameType.Fin, 2).length, 1, 'FIN needs no credit');
});

const breaches: Record<string, (raw: RawPeer) => void> = {
  'data beyond credit': (raw) => {
    for (let i = 0; i < 4; i += 1) raw.data(1, patternBytes(0, i * 65_536, 65_536));
    raw.data(1, Buffer.alloc(1));
  },
  'data after FIN': (raw) => {
    raw.fin(1);
    raw.data(1, Buffer.alloc(1));
  },
  'FIN twice': (raw) => {
    raw.fin(1);
    raw.fin(1);
  },
  'an acknowledgement of what was never sent': (raw) => {
    raw.send(encodeCredit(1, 1, 500_000));
  },
};

for (const [what, breach] of Object.entries(breaches)) {
  test(`${what} is a RESET Protocol, and the session goes on`, async () => {
    const { clock, node, raw, session, owner } = await rawWorld();
    owner.setReading(false);
    breach(raw);
    await clock.advance(5);
    assert.equal(owner.reset?.code, ResetCode.Protocol);
    assert.equal(raw.resets(1)[0]?.code, ResetCode.Protocol);
    assert.equal(session.closed, false);
    raw.open(3, node.self);
    await clock.advance(5);
    assert.equal(raw.payloads(FrameType.Opened, 3).length, 1);
  });
}

test('early data beyond the floor is a RESET Protocol', async () => {
  const { clock, raw, owner } = await rawWorld({ accept: false });
  raw.data(1, Buffer.alloc(16_385));
  await clock.advance(5);
  assert.equal(owner.reset?.code, ResetCode.Protocol);
});

test('an acknowledged end that was never sent is a RESET Protocol', async () => {
  const { clock, raw, owner } = await rawWorld();
  owner.write(10);
  await clock.advance(5);
  raw.send(encodeCredit(1, 11, 500_000));
  assert.equal(owner.reset?.code, ResetCode.Protocol);
});

test('data, FIN and CREDIT before OPENED are a RESET Protocol', async () => {
  for (const frame of [
    encodeFrame(FrameType.Data, 2, Buffer.from('x')),
    encodeFrame(FrameType.Fin, 2, Buffer.alloc(0)),
    encodeCredit(2, 0, 100_000),
  ]) {
    const clock = new TestClock();
    const node = testEndpoint(clock, 'node');
    const { raw, session } = await RawPeer.join(clock, node);
    const owner = new TestOwner(node.open(session, {}), 0, 1);
    owner.write(10);
    await clock.advance(5);
    raw.send(frame);
    assert.equal(owner.reset?.code, ResetCode.Protocol, `type ${frame[0]}`);
  }
});

test('a RESET with a code of a later version ends the stream', async () => {
  const { raw, owner } = await rawWorld();
  raw.send(encodeReset(1, 999, 'later'));
  assert.deepEqual(owner.reset, { code: 999, text: 'later', origin: 'peer' });
});

test('CREDIT goes out at once when half of the window is used, and else after acknowledgeDelayMs', async () => {
  const { clock, raw } = await rawWorld();
  raw.data(1, patternBytes(0, 0, 10));
  await clock.advance(24);
  assert.equal(raw.payloads(FrameType.Credit, 1).length, 0);
  await clock.advance(1);
  assert.deepEqual(decodeCredit(raw.payloads(FrameType.Credit, 1)[0] as Buffer), {
    delivered: 10,
    limit: 262_144 + 10,
  });
  for (let at = 10; at < 131_100; at += 13_109) raw.data(1, patternBytes(0, at, 13_109));
  await clock.advance(0);
  assert.equal(raw.payloads(FrameType.Credit, 1).length, 2);
});

test('an opener that is not trusted must name itself', async () => {
  const { clock, node, raw } = await rawWorld();
  raw.open(3, node.self, { from: { id: 'another', bootId: 'raw-boot' } });
  raw.open(5, node.self, { from: { id: 'raw', bootId: 'another' } });
  await clock.advance(5);
  assert.equal(raw.resets(3)[0]?.code, ResetCode.Protocol);
  assert.equal(raw.resets(5)[0]?.code, ResetCode.Protocol);
  const trusted = await RawPeer.join(clock, node, { id: 'node-2', trusted: true });
  trusted.raw.open(1, node.self, { key: rawKey(99), from: { id: 'another', bootId: 'b' } });
  await clock.advance(5);
  assert.equal(trusted.raw.payloads(FrameType.Opened, 1).length, 1);
});

test('an OPEN that does not say from whom to whom it is breaks only itself', async () => {
  const { clock, node, raw, session } = await rawWorld();
  raw.open(3, { id: 'x'.repeat(256), bootId: 'b' });
  raw.open(5, { id: 5, bootId: 'b' } as never);
  raw.open(7, node.self, { attempt: 0xffff_ffff });
  raw.open(9, node.self, { attempt: 0 });
  await clock.advance(5);
  for (const stream of [3, 5, 7, 9]) assert.equal(raw.resets(stream)[0]?.code, ResetCode.Protocol);
  assert.equal(session.closed, false);
});

test('an endpoint that takes no streams says so', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const { raw } = await RawPeer.join(clock, node);
  raw.open(1, node.self);
  await clock.advance(5);
  assert.equal(raw.resets(1)[0]?.code, ResetCode.NotSupported);
});

test('datagrams arrive whole, and the oldest are dropped for a peer that does not read', async () => {
  const { clock, raw, owner } = await rawWorld({ limits: { datagramBytesMax: 1_000 } });
  const got: string[] = [];
  owner.stream.events.onDatagram = (payload) => {
    got.push(payload.toString());
  };
  raw.send(encodeFrame(FrameType.Datagram, 1, Buffer.from('one')));
  raw.send(encodeFrame(FrameType.Datagram, 1, Buffer.alloc(0)));
  assert.deepEqual(got, ['one', '']);
  let dropped = 0;
  for (let i = 0; i < 10; i += 1) dropped += owner.stream.sendDatagram(Buffer.alloc(200, i));
  await clock.advance(5);
  assert.deepEqual(
    raw.payloads(FrameType.Datagram, 1).map((payload) => payload[0]),
    [6, 7, 8, 9],
  );
  assert.equal(dropped, 6);
});

test('an owner that delivers nothing is given few small pieces, and the rest together when it delivers', async () => {
  const { clock, raw, owner } = await rawWorld();
  const pieces: number[] = [];
  let ends = 0;
  owner.stream.events = {
    onData: (piece) => pieces.push(piece.length),
    onEnd: () => (ends += 1),
  };
  for (let sent = 0; sent < 10_000; sent += 1) raw.data(1, patternBytes(0, sent, 1));
  raw.fin(1);
  await clock.advance(1);
  assert.deepEqual([pieces.length, ends], [128, 0]);
  owner.stream.deliver(128);
  await clock.advance(1);
  assert.equal(sum(pieces), 10_000);
  assert.ok(pieces.length < 128 + 10, `${pieces.length} pieces`);
  assert.equal(ends, 1);
});

test('small pieces that are delivered are given at once, however many', async () => {
  const { clock, raw, owner } = await rawWorld();
  const given: number[] = [];
  owner.stream.events = {
    onData: (piece) => {
      given.push(piece.length);
      owner.stream.deliver(piece.length);
    },
  };
  for (let sent = 0; sent < 1_000; sent += 1) raw.data(1, patternBytes(0, sent, 1));
  assert.equal(given.length, 1_000);
  await clock.advance(1);
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

test('small pieces among large ones are given at once to an owner that is always a little behind', async () => {
  const { clock, raw, owner } = await rawWorld();
  const given: number[] = [];
  owner.stream.events = { onData: (piece) => given.push(piece.length) };
  let sent = 0;
  for (let pairs = 0; pairs < 1_000; pairs += 1) {
    for (const bytes of [1_000, 1]) {
      raw.data(1, patternBytes(0, sent, bytes));
      sent += bytes;
    }
    if (pairs >= 50) owner.stream.deliver(1_001);
    await clock.advance(0);
  }
  assert.deepEqual([given.length, sum(given)], [2_000, sent]);
});
