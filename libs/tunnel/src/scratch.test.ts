import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock, testEndpoint, TestOwner, connect, Wire, patternBytes } from './test-world.ts';
import { RawPeer, rawKey, rawName } from './raw-peer.ts';
import { memoryCarrierPair } from './memory-carrier.ts';
import { FrameType, encodeAnswer, encodeReset, encodeCredit } from './frame.ts';
import { Endpoint } from './endpoint.ts';
import { ResetCode } from './error.ts';

test('stale schedule: path alive at one end', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  let acc!: TestOwner;
  const client = testEndpoint(clock, 'client', {
    onOpen: (s) => {
      acc = new TestOwner(s, 1, 0);
      s.accept();
    },
  });
  const first = await connect(clock, node, client);
  const owner = new TestOwner(node.open(first.left, {}), 0, 1);
  await clock.advance(10);
  first.wire.swallows = true;
  owner.write(50_000);
  await clock.advance(1);
  owner.write(50_000); // writing never done: second stays scheduled
  await clock.advance(1);
  const second = await connect(clock, node, client);
  for (const path of first.right.paths()) (path as never as { move(): void }).move(); // client moves
  await clock.advance(2000);
  assert.equal(acc.received, 100_000);
});
test('attempt max crash', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node', { onOpen: (s) => s.accept() });
  const { raw } = await RawPeer.join(clock, node);
  raw.open(1, node.self, { attempt: 0xffffffff });
  await clock.advance(5);
  raw.wire.cut();
  await clock.advance(5);
  await RawPeer.join(clock, node);
  await clock.advance(2000);
});
test('early memory', async () => {
  const a = new Endpoint({ self: { id: 'a', bootId: 'a' } });
  const b = new Endpoint({ self: { id: 'b', bootId: 'b' } });
  const [l, r] = memoryCarrierPair();
  const acc = a.accept(l, {
    hello: {},
    authenticate: async () => ({ peer: { scope: 'g', id: 'b', bootId: 'b' }, welcome: {} }),
  });
  acc.catch(() => {});
  await new Promise((res) => setTimeout(res, 20));
  await b.connect(r, { answer: async () => ({}), welcome: () => ({ scope: 'g', id: 'a', bootId: 'a' }) });
  a.close();
  b.close();
});
test('credit before opened', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node');
  const { raw, session } = await RawPeer.join(clock, node);
  const o = new TestOwner(node.open(session, {}), 0, 1);
  o.write(10000);
  await clock.advance(5);
  raw.send(encodeCredit(2, 5000, 16384));
  raw.send(encodeReset(2, ResetCode.PathLost, ''));
  await clock.advance(3000);
  console.log(raw.seen.map((f) => [f.type, f.stream, f.payload.length]));
});
