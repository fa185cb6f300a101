import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { healthChanged, listen } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { Health } from './health.ts';
import type { Tunnel, Tunnels } from './tunnels.ts';

/** Tunnels of these clients, all of one gateway. */
function tunnelsOf(...clientIds: string[]): Tunnels {
  const tunnels = clientIds.map((clientId) => ({ gatewayId: 'g', clientId }) as Tunnel);
  return { all: () => tunnels, of: () => tunnels } as unknown as Tunnels;
}

test('a node that comes later hears at once of what fails, from the node that has the client', async () => {
  const hub = new MemoryHub();
  const logger = silentLogger;
  const early = new Health({ bus: hub.connect(), node: 'early', tunnels: tunnelsOf('c1', 'c2'), logger });
  const told = Promise.withResolvers<string[]>();
  const since = new Date(0).toISOString();
  const finding = (ok: boolean) => [{ destinationId: 'd', ok, since, cause: ok ? null : 'refused' }];
  // What it has heard: of its own clients, and of one at another node, which is that node's to tell.
  const other = hub.connect();
  early.listen();
  for (const [clientId, ok] of [
    ['c1', false],
    ['c2', true],
    ['elsewhere', false],
  ] as const)
    other.publish(healthChanged.subject, { node: 'other', gatewayId: 'g', clientId, items: finding(ok) });
  await other.flush();
  const late = new Health({ bus: hub.connect(), node: 'late', tunnels: tunnelsOf(), logger });
  late.listen();
  const heard: string[] = [];
  listen(
    hub.connect(),
    healthChanged,
    ({ node, clientId }) => {
      heard.push(`${node}: ${clientId}`);
      told.resolve(heard);
    },
    told.reject,
  );
  assert.equal(late.isWell('c1', 'd'), true, 'it cannot know yet');
  const keepAlive = setInterval(() => {}, 1_000);
  early.handleNode();
  early.handleNode();
  assert.deepEqual(await told.promise, ['early: c1']);
  clearInterval(keepAlive);
  assert.equal(late.isWell('c1', 'd'), false);
  assert.equal(late.isWell('c2', 'd'), true);
});
