// A token is revoked while the node that has its tunnel is cut off from NATS. That node cannot know and goes on, and is told
// as not heard; whatever of it passes through another node ends there at once. Back on the bus it ends the rest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cluster, CuttableProxy, bootCluster, startEcho } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { callForTickets, makeIdentity, openTunnel } from './hand-made-client.ts';
import { indexOf, nodesOf, served, startLinkedSite } from './linked-cluster.ts';
import { inTime, until } from './patience.ts';

/** Where each node finds NATS. */
const proxyAddresses = { 'edge-1': 160, 'edge-2': 161 } as Readonly<Record<string, number>>;
const proxyPort = 4_222;

test('a token that is revoked ends at each node that hears of it, also what comes by one that does not', async () => {
  await using echo = await startEcho();
  await using booted = await bootCuttable();
  const { cluster, buses } = booted;
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

test('a client whose token is revoked comes back to the cut-off node by its reserve ticket, and gets no further', async () => {
  await using echo = await startEcho();
  await using booted = await bootCuttable();
  const { cluster, buses } = booted;
  const { admin } = cluster;
  const gateway = await admin.createGateway({ name: 'reserve' });
  const token = await admin.createToken(gateway.id);
  await admin.putAccessList(gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
  const { id: destinationId } = await admin.createDestination(gateway.id, {
    name: 'cloud',
    kind: 'cloud',
    resource: { host: echo.host, port: echo.port },
    clientPort: await freePort(),
  });
  const identity = makeIdentity();
  const { clientId, reserveTicket } = await callForTickets(cluster, {
    gatewayId: gateway.id,
    token: token.token,
    identity,
  });
  const bus = buses.get('edge-1');
  bus?.refuse();
  bus?.cut();
  await admin.revokeToken(gateway.id, token.id);
  const admission = { gatewayId: gateway.id, clientId, identity, ticket: reserveTicket };
  const { endpoint, session } = await until('it is let in', 10_000, () => openTunnel(cluster, admission));
  assert.equal(session.peer.id, 'edge-1');
  const metadata = { destinationId, trackingId: 't', caller: { address: '192.0.2.1', port: 1 } };
  const opened = Promise.withResolvers<void>();
  endpoint.open(session, metadata).events = { onOpened: () => opened.resolve() };
  await inTime('edge-1 dials for it', 5_000, opened.promise);
  const refused = Promise.withResolvers<string>();
  const other = { id: 'edge-2', bootId: (await statusOf(cluster, 'edge-2')).bootId };
  endpoint.open(session, metadata, other).events = { onReset: (_code, text) => refused.resolve(text) };
  assert.match(await refused.promise, /^EDGE_TOKEN_REVOKED/);
  bus?.resume();
  await until('edge-1 ends it when it is back', 10_000, () => session.closed);
  endpoint.close();
});

/** A cluster of two nodes whose ways to NATS can be cut, each alone. */
class CuttableCluster implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly buses: ReadonlyMap<string, CuttableProxy>;

  constructor(cluster: Cluster, buses: ReadonlyMap<string, CuttableProxy>) {
    this.cluster = cluster;
    this.buses = buses;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.stop();
    for (const bus of this.buses.values()) await bus.close();
  }
}

async function bootCuttable(): Promise<CuttableCluster> {
  const buses = new Map<string, CuttableProxy>();
  const cluster = await bootCluster({
    nodes: 2,
    args: { edge: ['--cloud-local'] },
    beforeServices: async ({ busUrl, net }) => {
      const { hostname, port } = new URL(busUrl);
      for (const [name, address] of Object.entries(proxyAddresses)) {
        const place = { host: net.address(address), port: proxyPort };
        buses.set(name, await CuttableProxy.listen({ host: hostname, port: Number(port) }, place));
      }
    },
    nodeArgs: ({ name }, net) => [
      '--nats-url',
      `nats://${net.address(proxyAddresses[name] ?? 0)}:${proxyPort}`,
    ],
  });
  return new CuttableCluster(cluster, buses);
}

/** What a node says of itself. */
async function statusOf({ processes }: Cluster, node: string): Promise<{ bootId: string }> {
  const ops = processes.find(({ name }) => name === node)?.opsUrl;
  return (await (await fetch(`${ops}/status/edge`)).json()) as { bootId: string };
}
