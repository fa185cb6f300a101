// A token is revoked while the node that has its tunnel is cut off from NATS. That node cannot know and goes on, and is told
// as not heard; whatever of it passes through another node ends there at once. Back on the bus it ends the rest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CuttableProxy, bootCluster, startEcho } from '@postern/test-cluster';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { indexOf, nodesOf, served, startLinkedSite } from './linked-cluster.ts';
import { inTime, until } from './patience.ts';

/** Where each node finds NATS. */
const proxyAddresses = { 'edge-1': 160, 'edge-2': 161 } as Readonly<Record<string, number>>;
const proxyPort = 4_222;

test('a token that is revoked ends at each node that hears of it, also what comes by one that does not', async () => {
  await using echo = await startEcho();
  const buses = new Map<string, CuttableProxy>();
  await using closing = new AsyncDisposableStack();
  await using cluster = await bootCluster({
    nodes: 2,
    beforeServices: async ({ busUrl, net }) => {
      const { hostname, port } = new URL(busUrl);
      for (const [name, address] of Object.entries(proxyAddresses)) {
        const place = { host: net.address(address), port: proxyPort };
        buses.set(
          name,
          closing.use(await CuttableProxy.listen({ host: hostname, port: Number(port) }, place)),
        );
      }
    },
    nodeArgs: ({ name }, net) => [
      '--nats-url',
      `nats://${net.address(proxyAddresses[name] ?? 0)}:${proxyPort}`,
    ],
  });
  await using site = await startLinkedSite(cluster, 'revoked', { echo }, 1);
  await using other = await startLinkedSite(cluster, 'ended', { echo }, 1);
  await served(site, 'echo', [0, 1]);
  const [holder = ''] = await nodesOf(site);
  const at = indexOf(cluster, holder);
  await using relayed = new Caller(site.front('echo', 1 - at));
  await using unheard = new Caller(site.front('echo', at));
  await Promise.all([relayed.echo('before'), unheard.echo('before')]);
  const bus = buses.get(holder);
  bus?.refuse();
  bus?.cut();
  await relayed.echo('by the link');

  const [client] = await cluster.admin.clients(other.gateway.id);
  const path = `/gateways/${other.gateway.id}/clients/${client?.id}`;
  const ended = await cluster.admin.send('DELETE', path);
  assert.deepEqual([ended.status, ended.headers['postern-not-in-force-at']], [204, holder]);
  const token = `/gateways/${site.gateway.id}/tokens/${site.token.id}`;
  const { status, headers } = await cluster.admin.send('DELETE', token);
  assert.deepEqual([status, headers['postern-not-in-force-at']], [204, holder]);
  await inTime('what the node relays ends at the other', 2_000, relayed.ended);
  assert.equal(await tryEcho(site.front('echo', 1 - at)), 'ECONNRESET');
  // It has not heard of it, and nobody else is on the way.
  await unheard.echo('after');
  await until('the operator sees that the node is not heard', 10_000, async () => {
    const nodes = await cluster.admin.nodes();
    return nodes.some(({ name, heard }) => name === holder && !heard);
  });
  bus?.resume();
  await inTime('the node ends the rest when it is back', 10_000, unheard.ended);
  assert.equal(await tryEcho(site.front('echo', at)), 'ECONNRESET');
});
