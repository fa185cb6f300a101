// Postern as a cluster of two nodes with real NATS and a MongoDB-wire server, and a client with one tunnel.

import type { Stage } from '../stage.ts';
import type { NodeFronts, Started } from './peer.ts';

/** Starts it. Only `nodes` are its fronts: where the resources are is what is beside them. */
export async function startCluster(stage: Stage): Promise<Started> {
  const { bootCluster, startSite } = await import('@postern/test-cluster'); // Large, and only this needs it.
  const cluster = await bootCluster({ nodes: 2 });
  stage.atEnd(() => cluster.stop());
  const { bulk, http } = stage.resources;
  const at = (port: number) => ({ host: '127.0.0.1', port });
  const site = await startSite(cluster, {
    resources: { bulk: at(bulk), http: at(http) },
    client: { args: ['--tunnels', '1', '--transport', 'direct'] },
  });
  stage.atEnd(() => site.stop());
  const [client] = await cluster.admin.clients(site.gateway.id);
  const own = client?.tunnels[0]?.node === 'edge-2' ? 1 : 0;
  const frontsAt = (node: number): NodeFronts => ({
    bulk: site.front('bulk', node),
    http: site.front('http', node),
  });
  return { fronts: stage.resources, nodes: { own: frontsAt(own), relayed: frontsAt(1 - own) } };
}
