import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCredit } from '../frame/frame.ts';
import { RawPeer } from '../raw-peer.ts';
import { ScopeBudgets } from './scope-budgets.ts';
import { TestClock, testEndpoint } from '../test-world.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

test('a peer that acknowledges nothing leaves the streams of other gateways their room', async () => {
  const clock = new TestClock();
  const offered: StreamEnd[] = [];
  const node = testEndpoint(clock, 'node', {
    limits: { sendBytesPerProcessMax: 1_000_000, sendBytesPerGatewayMax: 500_000 },
    onOpen: (stream) => {
      offered.push(stream);
      stream.accept();
    },
  });
  const open = async (scope: string): Promise<StreamEnd> => {
    const { raw } = await RawPeer.join(clock, node, { scope });
    raw.open(1, node.self, { key: scope.padStart(32, '0') });
    raw.send(encodeCredit(1, 0, 1_000_000_000));
    return offered.at(-1) as StreamEnd;
  };
  const hoarder = await open('1');
  while (hoarder.room > 0) hoarder.write(Buffer.alloc(50_000));
  assert.ok(node.memory.sendReserved <= 500_000);
  const other = await open('2');
  assert.ok(other.room >= 500_000, `${other.room}`);
  while (other.room > 0) other.write(Buffer.alloc(50_000));
  assert.ok(node.memory.sendReserved <= 1_000_000);
  node.close();
  assert.equal(node.memory.sendReserved, 0);
});

test('tunnels of one gateway leave those of others their windows, by however many it comes', async () => {
  const clock = new TestClock();
  let taken = 0;
  const node = testEndpoint(clock, 'node', {
    limits: { receiveBytesPerProcessMax: 1_000_000, receiveBytesPerGatewayMax: 500_000 },
    onOpen: (stream) => {
      taken += 1;
      stream.accept();
    },
  });
  const openMany = async (scope: string, id: string): Promise<void> => {
    const name = { id, bootId: `boot-of-${id}` };
    const { raw } = await RawPeer.join(clock, node, { scope, ...name });
    for (let stream = 1; stream < 100; stream += 2)
      raw.open(stream, node.self, { key: `${id}${stream}`.padStart(32, '0'), from: name });
    await clock.advance(1);
  };
  for (const id of ['11', '12']) await openMany('1', id);
  const takenOfOne = taken;
  assert.ok(takenOfOne * node.limits.floorBytes <= 500_000, `${takenOfOne} floors`);
  await openMany('2', '21');
  assert.equal(taken, 2 * takenOfOne);
  node.close();
  assert.equal(node.memory.receiveReserved, 0);
});

test('a gateway’s share is one and the same while it has a user, or any of it is taken', () => {
  const budgets = new ScopeBudgets(100, 50);
  budgets.enter('a');
  budgets.enter('a');
  const share = budgets.of('a');
  budgets.leave('a');
  assert.equal(budgets.of('a'), share);
  share.take(10);
  budgets.leave('a');
  assert.equal(budgets.of('a'), share);
  share.give(10, 10);
  budgets.enter('a');
  budgets.leave('a');
  assert.notEqual(budgets.of('a'), share);
});
