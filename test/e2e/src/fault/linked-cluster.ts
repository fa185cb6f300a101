/**
 * A cluster whose links between nodes go through proxies, and sites whose client holds as many tunnels as a test wants.
 *
 *   edge-1 ──► proxy of edge-2 ──► edge-2, link port       the lower name dials, so a proxy before a node carries the
 *   edge-1, edge-2 ──► proxy of edge-3 ──► edge-3          links from all nodes below it
 */
import {
  type Cluster,
  type ClusterOptions,
  CuttableProxy,
  type Endpoint,
  type Site,
  bootCluster,
  startSite,
} from '@postern/test-cluster';
import { tryEcho } from '../fixture/caller.ts';
import { until } from './patience.ts';

const FIRST_PROXY_ADDRESS = 150;

/** A cluster with the proxy before each node's link port, by the node's name. */
export class LinkedCluster implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly links: ReadonlyMap<string, CuttableProxy>;

  constructor(cluster: Cluster, links: ReadonlyMap<string, CuttableProxy>) {
    this.cluster = cluster;
    this.links = links;
  }

  /** The proxy that carries links to a node from those with a lower name. */
  linkTo(node: string): CuttableProxy {
    const proxy = this.links.get(node);
    if (proxy === undefined) throw new Error(`no link leads to ${node}`);
    return proxy;
  }

  /** Resolves when every pair of nodes has its link. */
  async linked(promisedMs = 10_000): Promise<void> {
    const nodes = this.cluster.layout.edges.length;
    await until('all links are up', promisedMs, async () => {
      const all = await Promise.all(this.cluster.layout.edges.map(({ name }) => linksOf(this.cluster, name)));
      return all.every((links) => links.length === nodes - 1);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.links.values()) await proxy.close();
    await this.cluster.stop();
  }
}

/** How one is to be. */
export interface LinkedClusterOptions extends ClusterOptions {
  /** What links take longer each way. */
  readonly linkDelayMs?: number;
  /** From when on nodes ask clients for tunnels of their own; never unless given, so that what a test relays stays relayed. */
  readonly relayedBytesPerSecondMax?: number;
}

/** Boots one; resolves when all links are up. */
export async function bootLinkedCluster({
  linkDelayMs = 0,
  relayedBytesPerSecondMax = 0,
  nodeArgs,
  ...options
}: LinkedClusterOptions): Promise<LinkedCluster> {
  const cluster = await bootCluster({
    ...options,
    nodeArgs: (place, net) => [
      '--link-advertise-host',
      net.address(FIRST_PROXY_ADDRESS + lastOf(place.address)),
      '--relayed-bytes-per-second-max',
      String(relayedBytesPerSecondMax),
      ...(nodeArgs?.(place, net) ?? []),
    ],
  });
  const links = new Map<string, CuttableProxy>();
  const linked = new LinkedCluster(cluster, links);
  try {
    const port = cluster.layout.linkPort;
    for (const { name, address } of cluster.layout.edges) {
      const host = cluster.net.address(FIRST_PROXY_ADDRESS + lastOf(address));
      const proxy = await CuttableProxy.listen({ host: address, port }, { host, port });
      proxy.delay(linkDelayMs);
      links.set(name, proxy);
    }
    await linked.linked();
    return linked;
  } catch (error) {
    await linked[Symbol.asyncDispose]();
    throw error;
  }
}

/** A site whose client has just `tunnels` tunnels; resolves when all nodes serve its fronts through them. */
export async function startLinkedSite(
  cluster: Cluster,
  name: string,
  resources: Readonly<Record<string, Endpoint>>,
  tunnels: number,
  furtherArgs: readonly string[] = [],
): Promise<Site> {
  const args = ['--tunnels', String(tunnels), '--transport', 'direct', ...furtherArgs];
  const site = await startSite(cluster, { name, resources, client: { name, args } });
  await until(`${name} has ${tunnels} tunnels`, 10_000, async () => (await nodesOf(site)).length === tunnels);
  return site;
}

/** The nodes at which the site's tunnels end now. */
export async function nodesOf({ platform, gateway }: Site): Promise<string[]> {
  const clients = await platform.admin.clients(gateway.id);
  return clients.flatMap(({ tunnels }) => tunnels.map(({ node }) => node));
}

/** The same, without those of nodes that do not answer: a node that was killed is not forgotten. */
export async function liveNodesOf({ platform, gateway }: Site): Promise<string[]> {
  const clients = await platform.admin.clients(gateway.id);
  return clients.flatMap(({ tunnels }) =>
    tunnels.flatMap(({ node, streams }) => (streams === null ? [] : [node])),
  );
}

/** Resolves when a caller of each of these nodes is served. */
export async function served(
  site: Site,
  resource: string,
  nodes: readonly number[],
  promisedMs = 10_000,
): Promise<void> {
  for (const node of nodes) {
    await until(`callers of node ${node} are served`, promisedMs, async () => {
      return (await tryEcho(site.front(resource, node))) === 'echoed';
    });
  }
}

/** The position of a node in `cluster.nodeHosts`. */
export function indexOf(cluster: Cluster, node: string): number {
  return cluster.layout.edges.findIndex(({ name }) => name === node);
}

/** The nodes to which a node has a link, as it says itself. */
async function linksOf(cluster: Cluster, node: string): Promise<string[]> {
  const ops = cluster.processes.find(({ name }) => name === node)?.opsUrl;
  const status = (await (await fetch(`${ops}/status/edge`)).json()) as { links: string[] };
  return status.links;
}

function lastOf(address: string): number {
  return Number(address.split('.').at(-1));
}
