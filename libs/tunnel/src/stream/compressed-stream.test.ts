// Codecs run in Node's thread pool, so these tests let the real event loop turn beside the test's clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { Compression } from './compression.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { ResetCode } from '../error.ts';
import { headerBytes } from '../frame/frame.ts';
import { exampleBytes } from '../frame/protocol-page.ts';
import type { StreamEnd } from './stream-end.ts';
import { TestClock, TestOwner, Wire, connect, testEndpoint } from '../test-world.ts';

const turnsMax = 200_000;

type Owner = TestOwner<StreamEnd>;

/** A node and a client, and streams between them that are compressed at both ends. */
class World {
  readonly clock = new TestClock();
  readonly compression = new Compression();
  readonly node: Endpoint;
  readonly client: Endpoint;
  wire: Wire | null = null;
  #taken: StreamEnd[] = [];

  constructor() {
    this.node = testEndpoint(this.clock, 'node');
    this.client = testEndpoint(this.clock, 'client', {
      onOpen: (stream) => {
        this.#taken.push(this.compression.wrap(stream));
      },
    });
  }

  async join(): Promise<void> {
    this.wire = new Wire(this.clock);
    await connect(this.clock, this.node, this.client, { wire: this.wire });
  }

  /** The acceptor's end of the last stream. */
  taken(): StreamEnd {
    const last = this.#taken.at(-1);
    assert.ok(last !== undefined);
    return last;
  }

  /** A stream, from its opener's end and its acceptor's; the latter is not accepted yet. */
  async open(): Promise<[StreamEnd, StreamEnd]> {
    const [session] = this.node.sessions;
    assert.ok(session !== undefined);
    const opener = this.compression.wrap(this.node.open(session, {}));
    await this.clock.advance(1);
    return [opener, this.taken()];
  }

  async pair(): Promise<[Owner, Owner]> {
    const [opener, acceptor] = await this.open();
    const owners: [Owner, Owner] = [new TestOwner(opener, 0, 1), new TestOwner(acceptor, 1, 0)];
    acceptor.accept();
    await this.clock.advance(1);
    return owners;
  }

  /** Turns both clocks until it is so. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    for (let turn = 0; turn < turnsMax; turn += 1) {
      if (isSo()) return;
      await this.turn();
    }
    assert.fail(`it never came to be that ${what}`);
  }

  async turn(ms = 1): Promise<void> {
    await this.clock.advance(ms);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

test('a lone byte is flushed at once, both ways, and in the tunnel text is smaller than it is', async () => {
  const world = new World();
  await world.join();
  const [opener, acceptor] = await world.pair();
  opener.write(1);
  await world.until('the byte is there', () => acceptor.received === 1);
  acceptor.write(1);
  await world.until('the answer is there', () => opener.received === 1);
  for (let sent = 0; sent < 100; sent += 1) {
    opener.write(60_000);
    await world.until('it is there', () => acceptor.received === opener.written);
  }
  const { plainBytes, tunnelBytes } = world.compression.counts;
  // Each byte is counted at both ends.
  assert.equal(plainBytes, 2 * (opener.written + acceptor.written));
  assert.ok(tunnelBytes * 4 < plainBytes, `${tunnelBytes} of ${plainBytes}`);
});

test('the example of compressed data on the protocol’s page is read at once', async () => {
  const world = new World();
  await world.join();
  const [session] = world.node.sessions;
  assert.ok(session !== undefined);
  world.node.open(session, {}).write(exampleBytes('compressed-data').subarray(headerBytes));
  await world.clock.advance(1);
  const acceptor = world.taken();
  let got = '';
  acceptor.events = { onData: (piece) => (got += piece.toString()) };
  acceptor.accept();
  await world.until('it is read', () => got === 'ping');
});

test('each direction ends by itself, one that carried nothing without a frame, and the stream ends in order', async () => {
  const world = new World();
  await world.join();
  const [opener, acceptor] = await world.pair();
  acceptor.stream.end();
  await world.until('the end is there', () => opener.ended);
  assert.equal(world.compression.counts.tunnelBytes, 0);
  opener.write(100_000);
  opener.stream.end();
  await world.until('both are done', () => opener.done && acceptor.done);
  assert.equal(acceptor.received, opener.written);
  assert.equal(world.compression.counts.streams, 0);
});

test('a reset passes at once, whatever the codecs are about', async () => {
  const world = new World();
  await world.join();
  const [opener, acceptor] = await world.pair();
  opener.write(200_000, true);
  opener.stream.reset(ResetCode.Cancelled, 'enough');
  await world.until('both are over', () => opener.over && acceptor.over);
  assert.equal(acceptor.reset?.text, 'enough');
  assert.equal(opener.stream.room, 0);
  assert.equal(world.compression.counts.streams, 0);
});

test('before the other end has taken the stream its owner may write 16 KiB, however small they get', async () => {
  const world = new World();
  await world.join();
  const [opener, acceptor] = await world.open();
  opener.events = {};
  assert.equal(opener.room, 16_384);
  opener.write(Buffer.alloc(16_384));
  assert.equal(opener.room, 0);
  for (let turn = 0; turn < 50; turn += 1) await world.turn();
  assert.equal(opener.room, 0);
  acceptor.accept();
  await world.until('there is room', () => opener.room > 100_000);
});

test('what a small piece grows to is held up where the owner does not read, and comes whole when it does', async () => {
  const world = new World();
  await world.join();
  const [session] = world.node.sessions;
  assert.ok(session !== undefined);
  const bomb = zstdCompressSync(Buffer.alloc(16 * 1024 * 1024), {
    params: { [constants.ZSTD_c_windowLog]: 17 },
  });
  assert.ok(bomb.length < 16_384);
  const raw = world.node.open(session, {});
  raw.write(bomb);
  raw.end();
  await world.clock.advance(1);
  const acceptor = world.taken();
  let [given, undelivered, ended] = [0, 0, false];
  acceptor.events = {
    onData: (piece) => {
      given += piece.length;
      undelivered += piece.length;
    },
    onEnd: () => (ended = true),
  };
  acceptor.accept();
  await world.until('it is held up', () => given >= 262_144);
  for (let turn = 0; turn < 300; turn += 1) await world.turn();
  assert.ok(given < 262_144 + 65_536, `${given} bytes were given`);
  await world.until('all is there', () => {
    const bytes = undelivered;
    undelivered = 0;
    acceptor.deliver(bytes);
    return ended;
  });
  assert.equal(given, 16 * 1024 * 1024);
});

const windowTooLarge = zstdCompressSync(Buffer.alloc(1_000_000, 'abc'), {
  params: { [constants.ZSTD_c_windowLog]: 20 },
});
const whole = zstdCompressSync(Buffer.alloc(100, 'abc'));
const bad: [what: string, bytes: Buffer][] = [
  ['is no frame', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['wants a larger window than ours', windowTooLarge],
  ['ends in the middle of a frame', whole.subarray(0, -3)],
  ['has something behind the frame', Buffer.concat([whole, Buffer.from('more than a frame')])],
];

for (const [what, bytes] of bad) {
  test(`data that ${what} resets the stream`, async () => {
    const world = new World();
    await world.join();
    const [session] = world.node.sessions;
    assert.ok(session !== undefined);
    const raw = world.node.open(session, {});
    let reset = '';
    raw.events = { onReset: (code, text) => (reset = `${code} ${text}`) };
    raw.write(bytes);
    raw.end();
    await world.clock.advance(1);
    const acceptor = world.taken();
    acceptor.events = { onData: (piece) => acceptor.deliver(piece.length) };
    acceptor.accept();
    await world.until('it is reset', () => reset !== '');
    assert.match(reset, new RegExp(`^${ResetCode.Protocol} the compressed data cannot be read`));
  });
}

test('no more streams than the bound have compression, and one that is over makes room', () => {
  const compression = new Compression(1);
  const world = new World();
  return world.join().then(async () => {
    const [session] = world.node.sessions;
    assert.ok(session !== undefined);
    const one = compression.wrap(world.node.open(session, {}));
    assert.equal(compression.hasRoomFor('g'), false);
    one.reset(ResetCode.Cancelled, 'over');
    assert.equal(compression.hasRoomFor('g'), true);
  });
});

test('no gateway has more compressed streams than its share', () => {
  const compression = new Compression(4, 2);
  const streamOf = (scope: string) => compression.wrap({ scope } as StreamEnd);
  streamOf('one');
  assert.equal(compression.hasRoomFor('one'), true);
  streamOf('one');
  assert.deepEqual([compression.hasRoomFor('one'), compression.hasRoomFor('other')], [false, true]);
  for (let streams = 0; streams < 2; streams += 1) streamOf('other');
  assert.equal(compression.hasRoomFor('third'), false);
});

type Step =
  | { kind: 'write'; side: 0 | 1; bytes: number; inSlab: boolean }
  | { kind: 'read'; side: 0 | 1; reading: boolean }
  | { kind: 'end'; side: 0 | 1 }
  | { kind: 'cut' | 'swallow' }
  | { kind: 'wait'; ms: number };

const side = fc.constantFrom<0 | 1>(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      side,
      bytes: fc.integer({ min: 1, max: 200_000 }),
      inSlab: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('read' as const), side, reading: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), side }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'swallow' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 2_000 }) }) },
);

async function play(steps: readonly Step[]): Promise<void> {
  const world = new World();
  await world.join();
  const owners = await world.pair();
  for (const next of steps) {
    const owner = 'side' in next ? owners[next.side] : null;
    if (next.kind === 'write') owner?.write(next.bytes, next.inSlab);
    else if (next.kind === 'read') owner?.setReading(next.reading);
    else if (next.kind === 'end') owner?.stream.end();
    else if (next.kind === 'wait') await world.turn(next.ms);
    else {
      const former = world.wire;
      await world.join();
      if (next.kind === 'cut') former?.cut();
      else if (former !== null) former.swallows = true;
    }
    await world.turn(0);
  }
  for (const owner of owners) owner.setReading(true);
  for (const owner of owners) owner.stream.end();
  await world.until('both have ended in order', () => owners.every(({ done }) => done));
  const [opener, acceptor] = owners;
  assert.deepEqual([opener.received, acceptor.received], [acceptor.written, opener.written]);
  assert.equal(world.compression.counts.streams, 0);
  for (const endpoint of [world.node, world.client])
    assert.deepEqual([endpoint.streams.size, endpoint.memory.sendReserved], [0, 0]);
}

test('compressed streams are exact on both sides while their paths are cut and swallowed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => play(steps)),
    { numRuns: Number(process.env['POSTERN_TEST_SCHEDULES'] ?? 12) },
  );
});
