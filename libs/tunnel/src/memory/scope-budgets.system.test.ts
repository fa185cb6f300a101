/** A process of its own: what is in memory is counted by looking at all of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queryObjects } from 'node:v8';
import { Budget } from './budget.ts';
import type { Endpoint } from '../endpoint/endpoint.ts';
import { TunnelError } from '../error.ts';
import { RawPeer } from '../raw-peer.ts';
import { TestClock, testEndpoint } from '../test-world.ts';

test('of a gateway whose last tunnel broke under a stream nothing is left when that stream is given up', async () => {
  const clock = new TestClock();
  const node = testEndpoint(clock, 'node', { onOpen: (stream) => stream.accept() });
  const budgets = (): number => queryObjects(Budget, { format: 'count' });
  const before = budgets();
  for (let gateway = 1; gateway <= 20; gateway += 1) await loseTunnel(clock, node, `g${gateway}`);
  assert.equal(node.streams.size, 20);
  await clock.advance(2 * node.limits.pathWaitMs);
  assert.equal(node.streams.size, 0);
  assert.ok(budgets() - before < 20, `${budgets() - before} budgets are left`);
  node.close();
});

async function loseTunnel(clock: TestClock, node: Endpoint, scope: string): Promise<void> {
  const { raw, session } = await RawPeer.join(clock, node, { scope });
  raw.open(1, node.self, { key: scope.replace('g', '').padStart(32, '0') });
  session.destroy(new TunnelError('TUNNEL_CLOSED', 'the connection broke'));
}
