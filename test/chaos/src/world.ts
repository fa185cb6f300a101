/**
 * What chaos happens to: a cluster of two nodes on real servers, each node's tunnel port behind a proxy that can be cut,
 * one client, and a resource that exchanges bytes which both ends check.
 */
import {
  type Cluster,
  CuttableProxy,
  type ExchangeServer,
  type Site,
  bootCluster,
  freePort,
  startExchangeServer,
  startSite,
} from '@postern/test-cluster';

/** How long a pause is a part of a fault; never to wait for a state. */
export function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Everything that there is. */
export class World implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly resource: ExchangeServer;
  readonly site: Site;
  /** Before the tunnel port of each node. */
  readonly proxies: readonly CuttableProxy[];

  constructor(parts: Pick<World, 'cluster' | 'resource' | 'site' | 'proxies'>) {
    this.cluster = parts.cluster;
    this.resource = parts.resource;
    this.site = parts.site;
    this.proxies = parts.proxies;
  }

  /** The nodes by number. */
  get nodes(): readonly number[] {
    return [...this.proxies.keys()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site.stop();
    for (const proxy of this.proxies) await proxy.close();
    await this.cluster.stop();
    await this.resource.stop();
  }
}

/** Boots it. */
export async function makeWorld(): Promise<World> {
  const resource = await startExchangeServer();
  const port = await freePort();
  // Clients are told this port of each node's address; what listens there is the proxy.
  const cluster = await bootCluster({ nodes: 2, args: { edge: ['--advertise-port', String(port)] } });
  const proxies: CuttableProxy[] = [];
  try {
    for (const host of cluster.nodeHosts) {
      proxies.push(await CuttableProxy.listen({ host, port: cluster.layout.tunnelPort }, { host, port }));
    }
    const args = ['--transport', 'direct', '--tunnels', '4'];
    const site = await startSite(cluster, { resources: { exchange: resource }, client: { args } });
    return new World({ cluster, resource, site, proxies });
  } catch (error) {
    for (const proxy of proxies) await proxy.close();
    await cluster.stop();
    await resource.stop();
    throw error;
  }
}
