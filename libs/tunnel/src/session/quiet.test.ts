// What a session does whose peer does not answer any more, before it is known to be dead.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { ResetCode } from '../error.ts';
import { RawPeer } from '../raw-peer.ts';
import { isBetterSession } from './session-choice.ts';
import type { Session } from './session.ts';
import { connect, TestClock, testEndpoint, TestOwner } from '../test-world.ts';

/** A node and a client with two tunnels that were idle for a while; the client takes every stream when told. */
async function twoTunnels(accept = true) {
  const clock = new TestClock();
  const accepted: TestOwner[] = [];
  const node = testEndpoint(clock, 'node');
  const client = testEndpoint(clock, 'client', {
    onOpen: (stream) => {
      accepted.push(new TestOwner(stream, 1, 0));
      if (accept) stream.accept();
    },
  });
  const first = await connect(clock, node, client);
  const second = await connect(clock, node, client);
  await clock.advance(8_500);
  const open = (): TestOwner => new TestOwner(node.open(first.left, {}), 0, 1);
  return { clock, node, client, first, second, accepted, open };
}

test('an OPEN to a peer that does not answer goes over another session within two seconds, with its early bytes', async () => {
  const { clock, first, second, accepted, open } = await twoTunnels();
  first.wire.swallows = true;
  const opener = open();
  opener.write(1_000);
  await clock.advance(2_100);
  assert.ok(opener.opened, 'it was taken');
  assert.equal(opener.stream.session, second.left);
  assert.deepEqual(
    accepted.map(({ received }) => received),
    [1_000],
  );
});

test('a session is quiet while its peer owes an answer for a second, and no longer when something comes', async () => {
  const { clock, first, open } = await twoTunnels();
  first.wire.delayMs = 3_000;
  open();
  assert.equal(first.left.quiet, false);
  await clock.advance(2_100);
  assert.equal(first.left.quiet, true);
  await clock.advance(5_000);
  assert.equal(first.left.quiet, false);
});

test('an OPEN that was sent before the process stood still goes over another session as soon as one that was not', async () => {
  const { clock, first, second, open } = await twoTunnels();
  first.wire.swallows = true;
  const opener = open();
  await clock.advance(100);
  clock.standStill(8_000);
  await clock.advance(2_100);
  assert.ok(opener.opened, 'it was taken');
  assert.equal(opener.stream.session, second.left);
});

test('a peer that answers and takes long over a stream keeps it', async () => {
  const { clock, first, accepted, open } = await twoTunnels(false);
  const opener = open();
  await clock.advance(8_000);
  assert.equal(opener.stream.session, first.left);
  accepted[0]?.stream.accept();
  await clock.advance(10);
  assert.deepEqual([opener.opened, accepted.length], [true, 1]);
});

test('an OPEN that came late over the path that was left opens nothing twice', async () => {
  const { clock, first, accepted, open } = await twoTunnels();
  first.wire.delayMs = 4_000;
  const opener = open();
  opener.write(500);
  await clock.advance(9_000);
  assert.deepEqual([opener.opened, accepted.length, accepted[0]?.received], [true, 1, 500]);
  opener.stream.end();
  accepted[0]?.stream.end();
  await clock.advance(9_000);
  assert.ok(opener.done && accepted[0]?.done);
});

test('an OPEN waits where there is no other way, and goes over the first that comes up', async () => {
  const { clock, node, client, first, second, accepted, open } = await twoTunnels();
  for (const { wire } of [first, second]) wire.swallows = true;
  const opener = open();
  await clock.advance(4_000);
  assert.equal(opener.opened, false);
  const third = await connect(clock, node, client);
  await clock.advance(1_100);
  assert.equal(opener.stream.session, third.left);
  assert.deepEqual([opener.opened, accepted.length], [true, 1]);
});

test('a stream that waits for nothing stays until its session is dead', async () => {
  const { clock, first, second, open } = await twoTunnels();
  const opener = open();
  await clock.advance(10);
  first.wire.swallows = true;
  await clock.advance(7_000);
  assert.equal(opener.stream.session, first.left);
  await clock.advance(8_000);
  assert.equal(opener.stream.session, second.left);
});

/** Several streams over the first of two tunnels, all open; the second takes none of them before it is told. */
async function openOverFirst(count: number) {
  const world = await twoTunnels();
  const { clock, first, second, open } = world;
  second.left.usable = false;
  const openers = Array.from({ length: count }, open);
  await clock.advance(10);
  second.left.usable = true;
  const on = (session: Session): number => openers.filter(({ stream }) => stream.session === session).length;
  assert.equal(on(first.left), count);
  return { ...world, openers, on };
}

test('streams whose bytes are not answered go on over another session within three seconds, and those that wait for nothing stay', async () => {
  const { clock, first, second, accepted, openers, on } = await openOverFirst(4);
  first.wire.swallows = true;
  for (const opener of openers.slice(1)) opener.write(1_000);
  await clock.advance(3_100);
  assert.deepEqual([on(first.left), on(second.left)], [1, 3]);
  assert.deepEqual(
    accepted.map(({ received }) => received),
    [0, 1_000, 1_000, 1_000],
  );
});

test('whenever a peer falls silent, and though timers come early, what is said to it goes over another session within 2.6 s', async () => {
  for (const timersEarlyMs of [0, 7]) {
    for (let silentAtMs = 10; silentAtMs <= 1_200; silentAtMs += 70) {
      const { clock, first, second, openers, accepted } = await openOverFirst(1);
      clock.timersEarlyMs = timersEarlyMs;
      const [opener] = openers;
      opener?.write(1_000);
      await clock.advance(silentAtMs);
      first.wire.swallows = true;
      opener?.write(1_000);
      await clock.advance(2_600);
      assert.equal(opener?.stream.session, second.left, `silent after ${silentAtMs} ms`);
      assert.equal(accepted[0]?.received, 2_000);
    }
  }
});

test('the end of a stream that is not answered goes on over another session too', async () => {
  const { clock, first, accepted, openers } = await openOverFirst(1);
  first.wire.swallows = true;
  openers[0]?.stream.end();
  await clock.advance(3_100);
  assert.equal(accepted[0]?.ended, true);
});

test('where the peer answers on no session, one stream goes ahead at a time and the others stay; nothing is lost when it is back', async () => {
  const { clock, first, second, accepted, openers, on } = await openOverFirst(6);
  // The PING in time has just been answered, so the second session is not quiet as soon as the first.
  await clock.advance(2_000);
  for (const { wire } of [first, second]) wire.delayMs = 3_000;
  for (const opener of openers) opener.write(1_000);
  await clock.advance(2_100);
  assert.deepEqual([on(first.left), on(second.left)], [5, 1]);
  await clock.advance(12_000);
  assert.ok(on(first.left) >= 4, 'they stayed');
  assert.deepEqual(
    accepted.map(({ received }) => received),
    Array(6).fill(1_000),
  );
});

test('a session with a long round trip is not quiet before two of them have passed', async () => {
  const { clock, first, open } = await twoTunnels();
  first.wire.delayMs = 900;
  await clock.advance(6_000);
  const opener = open();
  await clock.advance(6_000);
  for (let times = 0; times < 4; times += 1) {
    opener.write(100);
    await clock.advance(4_000);
    assert.equal(opener.stream.session, first.left);
  }
});

test('a relay whose other side does not answer gives the OPEN back as a path that is lost', async () => {
  const clock = new TestClock();
  const middle: Endpoint = testEndpoint(clock, 'middle', {
    relayTo: (_session, { to }) => [...middle.sessions].find(({ peer }) => peer.id === to.id) ?? null,
  });
  const client = testEndpoint(clock, 'client', { onOpen: (stream) => stream.accept() });
  const { raw } = await RawPeer.join(clock, middle);
  const far = await connect(clock, middle, client);
  await clock.advance(1_500);
  far.wire.swallows = true;
  raw.open(1, client.self);
  await clock.advance(2_100);
  assert.deepEqual(
    raw.resets(1).map(({ code }) => code),
    [ResetCode.PathLost],
  );
});

test('of two sessions the one that answers is better, and of two that answer the one with more streams', () => {
  const session = (quiet: boolean, streamCount: number) => ({ quiet, streamCount });
  assert.ok(isBetterSession(session(true, 9), null));
  assert.ok(isBetterSession(session(false, 0), session(true, 9)));
  assert.ok(!isBetterSession(session(true, 9), session(false, 0)));
  assert.ok(isBetterSession(session(false, 2), session(false, 1)));
  assert.ok(!isBetterSession(session(false, 1), session(false, 1)));
});
