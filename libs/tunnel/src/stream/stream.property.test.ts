/**
 * Random schedules: writes, reads that stop, half-closes, resets, paths that are cut, severed in mid-frame, swallowed, delayed
 * and joined anew, sessions that go away, a clock that jumps, a relay in between, several streams at once. Whatever happens, each side has exactly a prefix
 * of what the other wrote, all of it where the stream ended in order, and memory stays within its bound.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { GoAwayCode, ResetCode } from '../error.ts';
import { linkScope } from '../session/peer.ts';
import type { Stream } from './stream.ts';
import { connect, TestClock, testEndpoint, TestOwner, Wire } from '../test-world.ts';

type Step =
  | { kind: 'open' }
  | { kind: 'write'; stream: number; side: 0 | 1; bytes: number; inSlab: boolean }
  | { kind: 'end'; stream: number; side: 0 | 1 }
  | { kind: 'reset'; stream: number; side: 0 | 1 }
  | { kind: 'read'; stream: number; side: 0 | 1; reading: boolean }
  | { kind: 'join'; relayed: boolean }
  | { kind: 'move'; side: 0 | 1 }
  | { kind: 'moveOffRelays'; side: 0 | 1 }
  | { kind: 'cut' | 'swallow'; wire: number }
  | { kind: 'sever'; wire: number; side: 0 | 1; bytes: number }
  | { kind: 'goAway'; at: 0 | 1 | 2; session: number }
  | { kind: 'standStill'; ms: number }
  | { kind: 'delay'; wire: number; ms: number }
  | { kind: 'wait'; ms: number };

const small = fc.nat({ max: 7 });
const side = fc.constantFrom<0 | 1>(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      stream: small,
      side,
      bytes: fc.integer({ min: 1, max: 90_000 }),
      inSlab: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), stream: small, side }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), stream: small, side }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('read' as const), stream: small, side, reading: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), relayed: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'swallow' as const), wire: small }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('delay' as const), wire: small, ms: fc.nat({ max: 400 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('sever' as const),
      wire: small,
      side,
      bytes: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 70_000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('goAway' as const),
      at: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      session: small,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('standStill' as const), ms: fc.nat({ max: 8_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('move' as const, 'moveOffRelays' as const), side }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 3_000 }) }) },
);

const goesElsewhere = new Set<number>([ResetCode.NotRelayed, ResetCode.ShuttingDown]);

class Play {
  readonly clock = new TestClock();
  readonly wires: Wire[] = [];
  readonly pairs: { opener: TestOwner; acceptor: TestOwner | null }[] = [];
  readonly node: Endpoint;
  readonly middle: Endpoint;
  readonly client: Endpoint;
  readonly #splitAt: number;

  constructor(splitAt: number) {
    this.#splitAt = splitAt;
    const limits = {
      floorBytes: 16_384,
      windowBytesMax: 1_048_576,
      receiveBytesPerSessionMax: 4_194_304,
      sendBytesPerProcessMax: 2_097_152,
    };
    const viaMiddle = (stream: Stream) =>
      [...(stream.opener ? this.node : this.client).sessions].find(
        (s) => s.usable && s.peer.id === 'middle',
      ) ?? null;
    this.node = testEndpoint(this.clock, 'node', { limits, findDetour: viaMiddle });
    this.middle = testEndpoint(this.clock, 'middle', {
      limits,
      relayTo: (_session, { to }) =>
        [...this.middle.sessions].find((s) => s.usable && s.peer.id === to.id) ?? null,
    });
    this.client = testEndpoint(this.clock, 'client', {
      limits,
      findDetour: viaMiddle,
      onOpen: (stream) => this.#take(stream),
    });
  }

  #take(stream: Stream): void {
    const { seed } = stream.metadata as { seed: number };
    const pair = this.pairs[seed];
    assert.ok(pair !== undefined && pair.acceptor === null, 'a stream is dialled once');
    pair.acceptor = new TestOwner(stream, seed * 2 + 1, seed * 2);
    this.clock.after(seed % 3, () => stream.accept());
  }

  async join(relayed: boolean): Promise<void> {
    const both = relayed
      ? [[this.node, this.middle] as const, [this.middle, this.client] as const]
      : [[this.node, this.client] as const];
    for (const [left, right] of both) {
      const wire = new Wire(this.clock);
      wire.inSlabs = this.wires.length % 2 === 0;
      wire.split = (bytes) => {
        const parts: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += this.#splitAt)
          parts.push(bytes.subarray(at, at + this.#splitAt));
        return parts;
      };
      this.wires.push(wire);
      const isLink = left === this.node && right === this.middle;
      await connect(this.clock, left, right, {
        wire,
        trusted: relayed,
        ...(isLink ? { scope: linkScope } : {}),
      });
    }
  }

  async run(next: Step): Promise<void> {
    const pair = 'stream' in next ? this.pairs[next.stream] : undefined;
    const owner = 'side' in next ? (next.side === 0 ? pair?.opener : pair?.acceptor) : undefined;
    const wire = 'wire' in next ? this.wires[next.wire] : undefined;
    switch (next.kind) {
      case 'open': {
        const own = [...this.node.sessions].find((s) => s.usable && s.peer.id === 'client');
        const session = own ?? [...this.node.sessions].find((s) => s.usable);
        if (session === undefined || this.pairs.length >= 8) return;
        const seed = this.pairs.length;
        this.pairs.push({ opener: undefined as never, acceptor: null });
        (this.pairs[seed] as { opener: TestOwner }).opener = new TestOwner(
          this.node.open(session, { seed }, this.client.self, 'g'),
          seed * 2,
          seed * 2 + 1,
        );
        return;
      }
      case 'write':
        return owner?.write(next.bytes, next.inSlab);
      case 'end':
        return owner?.stream.end();
      case 'reset':
        return owner?.stream.reset(ResetCode.Cancelled, 'test');
      case 'read':
        return owner?.setReading(next.reading);
      case 'join':
        return this.join(next.relayed);
      case 'move': {
        const endpoint = next.side === 0 ? this.node : this.client;
        const [first] = endpoint.sessions;
        if (first !== undefined) endpoint.moveStreams(first);
        return;
      }
      case 'moveOffRelays': {
        if (next.side === 0) this.node.moveOffRelays('g', 'client');
        else this.client.moveOffRelays('g', 'node');
        return;
      }
      case 'cut':
        return wire?.cut();
      case 'swallow':
        if (wire !== undefined) wire.swallows = true;
        return;
      case 'sever':
        return wire?.sever(next.side === 0 ? wire.left : wire.right, next.bytes);
      case 'goAway': {
        const { sessions } = [this.node, this.middle, this.client][next.at] as Endpoint;
        return [...sessions][next.session]?.goAway(GoAwayCode.ShuttingDown, 'test');
      }
      case 'standStill':
        return this.clock.standStill(next.ms);
      case 'delay':
        if (wire !== undefined) wire.delayMs = next.ms;
        return;
      case 'wait':
        return this.clock.advance(next.ms);
    }
  }

  checkMemory(): void {
    for (const endpoint of [this.node, this.middle, this.client]) {
      assert.ok(endpoint.memory.sendReserved <= endpoint.limits.sendBytesPerProcessMax);
      for (const session of endpoint.sessions)
        assert.ok(session.receiveBudget.used <= endpoint.limits.receiveBytesPerSessionMax);
      for (const stream of endpoint.streams.values())
        assert.ok(stream.bufferedBytes <= endpoint.limits.windowBytesMax + 90_000);
    }
  }

  /** Everybody reads, ends, and has paths: what was not reset must end in order. */
  async heal(): Promise<void> {
    await this.join(false);
    for (
      let round = 0;
      round < 40 && this.pairs.some((pair) => !pair.opener.over || pair.acceptor?.over === false);
      round += 1
    ) {
      for (const { opener, acceptor } of this.pairs) {
        for (const owner of [opener, acceptor]) {
          owner?.setReading(true);
          owner?.stream.end();
        }
      }
      await this.clock.advance(1_000);
      if (![...this.node.sessions].some((s) => s.usable && s.peer.id === 'client')) await this.join(false);
    }
    // What tells relays of paths that were left may still be on its way, or is swallowed until the session is dead.
    await this.clock.advance(this.middle.limits.deadAfterMs + 1_000);
  }

  check(): void {
    for (const [seed, { opener, acceptor }] of this.pairs.entries()) {
      const what = `stream ${seed}: ${JSON.stringify([opener.reset, acceptor?.reset])}`;
      assert.ok(opener.over, `${what}: the opener's end is over`);
      if (acceptor === null) {
        assert.ok(opener.reset !== null, what);
        continue;
      }
      assert.ok(acceptor.over, `${what}: the acceptor's end is over`);
      assert.ok(opener.received <= acceptor.written && acceptor.received <= opener.written, what);
      assert.equal(opener.done, acceptor.done, `${what}: both end in the same way`);
      if (!opener.done) continue;
      assert.equal(opener.received, acceptor.written, what);
      assert.equal(acceptor.received, opener.written, what);
    }
    for (const endpoint of [this.node, this.client]) {
      assert.equal(endpoint.streams.size, 0, 'no stream is left');
      assert.equal(endpoint.memory.sendReserved, 0, 'nothing is kept');
    }
    for (const endpoint of [this.node, this.middle, this.client]) {
      for (const session of endpoint.sessions)
        assert.equal(session.streamCount, 0, `${endpoint.self.id} has no path left`);
      assert.equal(endpoint.memory.receiveReserved, 0, `${endpoint.self.id} promises nothing`);
    }
  }

  /** A relay that had no way on from the first says so, as does who goes without taking an OPEN: its opener asks elsewhere. */
  isReset(): boolean {
    return this.pairs.some(({ opener, acceptor }) => {
      return [opener.reset, acceptor?.reset ?? null].some(
        (reset) => reset !== null && !goesElsewhere.has(reset.code),
      );
    });
  }
}

async function play(steps: Step[], splitAt: number): Promise<Play> {
  const world = new Play(splitAt);
  await world.join(false);
  for (const next of steps) {
    await world.run(next);
    world.checkMemory();
  }
  await world.heal();
  world.check();
  return world;
}

const runs = Number(process.env.POSTERN_TEST_SCHEDULES ?? 60);

test('streams are exact on both sides under any schedule of faults', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60 }),
      fc.constantFrom(7, 100, 1_000, 65_536),
      async (steps, splitAt) => {
        await play(steps, splitAt);
      },
    ),
    { numRuns: runs },
  );
});

test('no stream is reset while nobody resets one and a path comes back within the wait', async () => {
  const gentle = step.filter((s) => !['reset', 'wait', 'standStill'].includes(s.kind));
  await fc.assert(
    fc.asyncProperty(
      fc.array(gentle, { minLength: 5, maxLength: 60 }),
      fc.constantFrom(100, 65_536),
      async (steps, splitAt) => {
        const world = await play(steps, splitAt);
        assert.equal(
          world.isReset(),
          false,
          JSON.stringify(world.pairs.map(({ opener, acceptor }) => [opener.reset, acceptor?.reset])),
        );
      },
    ),
    { numRuns: runs },
  );
});
