/**
 * What chaos happens to: a cluster of three nodes on real servers, each node's tunnel port and link port behind a proxy
 * that can be cut, two clients with two tunnels each, and a resource that exchanges bytes which both ends check. So some
 * callers are served by their own node, and some through another.
 */
import {
  type ClientProcess,
  type Cluster,
  CuttableProxy,
  type ExchangeServer,
  type Site,
  bootCluster,
  freePort,
  startClient,
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
  readonly clients: readonly ClientProcess[];
  /** Before the tunnel port of each node. */
  readonly tunnels: readonly CuttableProxy[];
  /** Before the link port of each node: links from those with a lower name. */
  readonly links: readonly CuttableProxy[];

  constructor(parts: Pick<World, 'cluster' | 'resource' | 'site' | 'clients' | 'tunnels' | 'links'>) {
    this.cluster = parts.cluster;
    this.resource = parts.resource;
    this.site = parts.site;
    this.clients = parts.clients;
    this.tunnels = parts.tunnels;
    this.links = parts.links;
  }

  /** The nodes by number. */
  get nodes(): readonly number[] {
    return [...this.tunnels.keys()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) await client.stop();
    for (const proxy of [...this.tunnels, ...this.links]) await proxy.close();
    await this.cluster.stop();
    await this.resource.stop();
  }
}

/** Boots it. */
export async function makeWorld(): Promise<World> {
  const resource = await startExchangeServer();
  const [tunnelPort, linkPort] = [await freePort(), await freePort()];
  // Clients and nodes are told these ports of each node's address; what listens there is a proxy.
  const advertised = ['--advertise-port', String(tunnelPort), '--link-advertise-port', String(linkPort)];
  const cluster = await bootCluster({ nodes: 3, args: { edge: advertised }, stopWithinMs: 60_000 });
  const [tunnels, links]: [CuttableProxy[], CuttableProxy[]] = [[], []];
  const clients: ClientProcess[] = [];
  try {
    for (const host of cluster.nodeHosts) {
      const { layout } = cluster;
      tunnels.push(await CuttableProxy.listen({ host, port: layout.tunnelPort }, { host, port: tunnelPort }));
      links.push(await CuttableProxy.listen({ host, port: layout.linkPort }, { host, port: linkPort }));
    }
    const args = ['--transport', 'direct', '--tunnels', '2'];
    const site = await startSite(cluster, { resources: { exchange: resource }, client: { args } });
    clients.push(site.client);
    const { gateway, token } = site;
    const { connectUrl, caFile } = cluster;
    clients.push(
      await startClient({
        gatewayId: gateway.id,
        token: token.token,
        connectUrl,
        caFile,
        args,
        name: 'second',
      }),
    );
    return new World({ cluster, resource, site, clients, tunnels, links });
  } catch (error) {
    for (const client of clients) await client.stop();
    for (const proxy of [...tunnels, ...links]) await proxy.close();
    await cluster.stop();
    await resource.stop();
    throw error;
  }
}
