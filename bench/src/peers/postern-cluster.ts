// Postern as a cluster with real NATS and a MongoDB-wire server, each service a process of its own.

import type { Cluster, Site } from '@postern/test-cluster';
import type { Stage } from '../stage.ts';
import { until } from '../until.ts';
import { type Front, type Fronts, type Peer, type Started, webGroups } from './peer.ts';
import { createWebFronts } from './postern-fronts.ts';

const tunnelsTimeoutMs = 30_000;
/** Where nothing listens. */
const nobodysPort = 1;

/**
 * Three nodes, and a client with one tunnel, to the first or the second. The third is one that asks for no tunnel of its own
 * and takes none, so that what its callers move stays relayed.
 */
export async function startRelayed(stage: Stage): Promise<Started> {
  const relayedAlone = ['--relayed-bytes-per-second-max', '0', '--advertise-port', String(nobodysPort)];
  const nodeArgs = ({ name }: { name: string }): string[] => (name === 'edge-3' ? relayedAlone : []);
  const { cluster, site } = await startCluster(stage, { nodes: 3, nodeArgs }, 1);
  const nodesWithTunnel = async (): Promise<string[]> => {
    const clients = await cluster.admin.clients(site.gateway.id);
    return clients.flatMap(({ tunnels }) => tunnels.map(({ node }) => node));
  };
  const own = (await nodesWithTunnel())[0] === 'edge-2' ? 1 : 0;
  const nodes = {
    own: frontsOf(site, own),
    other: frontsOf(site, 1 - own),
    relayed: frontsOf(site, 2),
    otherHasTunnel: async () => (await nodesWithTunnel()).length > 1,
  };
  return { fronts: nodes.own, nodes };
}

/**
 * A machine with so many workers and two clients, each with a tunnel to each of two workers, or both to the one: so
 * that neither side's only process is the narrow place. One beside two says what a second worker carries.
 */
export function posternWorkers(workers: 1 | 2): Peer {
  return {
    name: workers === 1 ? 'postern-1-worker' : 'postern-2-workers',
    encryption: `as postern, as a cluster whose node is ${workers} of the edge's processes, and two clients`,
    needs: [],
    groups: ['bytes', 'requests', 'connections', ...webGroups],
    onRequest: true,
    async start(stage: Stage): Promise<Started> {
      const { cluster, site } = await startCluster(stage, { nodes: 1, workers }, 2);
      const { startClient } = await import('@postern/test-cluster');
      const { connectUrl, caFile, admin } = cluster;
      const second = await startClient({
        gatewayId: site.gateway.id,
        token: site.token.token,
        connectUrl,
        caFile,
        name: 'second',
        args: clientArgs(2),
      });
      stage.atEnd(() => second.stop());
      await until(
        async () => {
          const clients = await admin.clients(site.gateway.id);
          const ways = clients.map(({ tunnels }) => new Set(tunnels.map(({ node }) => node)).size);
          return clients.length === 2 && ways.every((nodes) => nodes === workers);
        },
        { what: `both clients at ${workers} of the edge's processes`, timeoutMs: tunnelsTimeoutMs },
      );
      const edges = cluster.processes.filter(({ kind }) => kind === 'edge');
      stage.count(
        'edge',
        edges.map(({ pid }) => pid),
      );
      stage.count('client', [site.client.part.pid, second.part.pid]);
      const web = await createWebFronts(cluster.admin, site.gateway.id, stage);
      const at = (port: number): Front => ({ host: cluster.nodeHosts[0] ?? '', port });
      return { fronts: frontsOf(site, 0), web: { tls: at(web.tls), http: at(web.http) } };
    },
  };
}

async function startCluster(
  stage: Stage,
  options: { nodes: number; workers?: number; nodeArgs?: (place: { name: string }) => string[] },
  tunnels: number,
): Promise<{ cluster: Cluster; site: Site }> {
  const { bootCluster, startSite } = await import('@postern/test-cluster'); // Large, and only this needs it.
  const cluster = await bootCluster({ ...options, logLevel: 'warn' });
  stage.atEnd(() => cluster.stop());
  const { bulk, http, echo } = stage.resources;
  const at = (port: number) => ({ host: '127.0.0.1', port });
  const site = await startSite(cluster, {
    resources: { bulk: at(bulk), http: at(http), echo: at(echo) },
    client: { args: clientArgs(tunnels) },
  });
  stage.atEnd(() => site.stop());
  return { cluster, site };
}

function clientArgs(tunnels: number): string[] {
  return ['--tunnels', String(tunnels), '--transport', 'direct', '--log-level', 'warn'];
}

function frontsOf(site: Site, node: number): Fronts {
  return { bulk: site.front('bulk', node), http: site.front('http', node), echo: site.front('echo', node) };
}
