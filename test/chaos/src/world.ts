/**
 * What chaos happens to: a cluster of three nodes on real servers, each node one process or several workers, with tunnel port
 * and link port behind a proxy that can be cut, two clients with two tunnels each, and resources that exchange bytes which
 * both ends check, through fronts of TCP, TLS and HTTP. So some callers are served by their own node, and some through another.
 */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ClientProcess,
  type Cluster,
  CuttableProxy,
  type Exchange,
  type ExchangeResult,
  type ExchangeServer,
  type LoopbackNet,
  type ShownDestination,
  type Site,
  bootCluster,
  exchange,
  frontAt,
  httpExchange,
  ownPort,
  startClient,
  startExchangeServer,
  startHttpExchangeServer,
  startSite,
  untilServed,
} from '@postern/test-cluster';

const firstProxyAddress = 150;

/** One process of a node: its name in the cluster, and the node's number. */
export interface Edge {
  readonly name: string;
  readonly node: number;
}

/** How a caller comes in. */
export const entries = ['tcp', 'tls', 'http'] as const;
export type Entry = (typeof entries)[number];

/** Everything that there is. */
export class World implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly resources: readonly ExchangeServer[];
  readonly site: Site;
  /** The fronts that are not of the site's own. */
  readonly #fronts: Readonly<Record<'tls' | 'http', ShownDestination>>;
  readonly #ca: string;
  readonly clients: readonly ClientProcess[];
  readonly edges: readonly Edge[];
  /** Before the tunnel port of each of them. */
  readonly tunnels: readonly CuttableProxy[];
  /** Before the link port of each of them: links from those with a lower name. */
  readonly links: readonly CuttableProxy[];

  constructor(
    parts: Pick<World, 'cluster' | 'resources' | 'site' | 'clients' | 'edges' | 'tunnels' | 'links'> & {
      fronts: Readonly<Record<'tls' | 'http', ShownDestination>>;
      ca: string;
    },
  ) {
    this.cluster = parts.cluster;
    this.resources = parts.resources;
    this.site = parts.site;
    this.#fronts = parts.fronts;
    this.#ca = parts.ca;
    this.clients = parts.clients;
    this.edges = parts.edges;
    this.tunnels = parts.tunnels;
    this.links = parts.links;
  }

  /** The nodes by number. */
  get nodes(): readonly number[] {
    return [...this.cluster.nodeHosts.keys()];
  }

  /** One exchange with a resource, through a node. Never rejects. */
  exchange(node: number, entry: Entry, wanted: Exchange): Promise<ExchangeResult> {
    switch (entry) {
      case 'tcp':
        return exchange(this.site.front('exchange', node), wanted);
      case 'tls': {
        const tls = { ca: this.#ca, servername: this.#fronts.tls.front?.host ?? '' };
        return exchange({ ...frontAt(this.cluster, this.#fronts.tls, node), tls }, wanted);
      }
      case 'http':
        return httpExchange(frontAt(this.cluster, this.#fronts.http, node), wanted);
    }
  }

  /** Copies what each process has written into a folder. */
  async keepLogs(folder: string): Promise<void> {
    await cp(join(this.cluster.state, 'logs'), folder, { recursive: true });
    for (const [index, { part }] of this.clients.entries()) {
      await cp(part.output.path, join(folder, `client-${index}.log`));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) await client.stop();
    for (const proxy of [...this.tunnels, ...this.links]) await proxy.close();
    await this.cluster.stop();
    for (const resource of this.resources) await resource.stop();
  }
}

/** Its callers stay with the relays; the others ask clients for tunnels of their own as soon as they relay anything to speak of. */
const asklessNode = 'edge-1';
const askBytesPerSecond = 262_144;

/** Boots it, with so many workers of each node. */
export async function makeWorld(workers: number): Promise<World> {
  const [raw, web] = [await startExchangeServer(), await startHttpExchangeServer()];
  const cluster = await bootCluster({
    nodes: 3,
    workers,
    // Clients and nodes are told these addresses; what listens there is a proxy.
    nodeArgs: ({ name, address }, net) => {
      const host = proxyHost(net, address);
      const asks = name === asklessNode ? 0 : askBytesPerSecond;
      const addresses = ['--advertise-host', host, '--link-advertise-host', host];
      return [...addresses, '--relayed-bytes-per-second-max', String(asks)];
    },
    stopWithinMs: 60_000,
  });
  const [tunnels, links]: [CuttableProxy[], CuttableProxy[]] = [[], []];
  const clients: ClientProcess[] = [];
  try {
    const { layout, net, nodeHosts } = cluster;
    for (const place of layout.edges) {
      const [target, proxy] = [place.address, proxyHost(net, place.address)];
      const listen = (of: number): Promise<CuttableProxy> => {
        const port = ownPort(place, of);
        return CuttableProxy.listen({ host: target, port }, { host: proxy, port });
      };
      tunnels.push(await listen(layout.tunnelPort));
      links.push(await listen(layout.linkPort));
    }
    const edges = layout.edges.map(({ name, address }) => ({ name, node: nodeHosts.indexOf(address) }));
    const args = ['--transport', 'direct', '--tunnels', '2'];
    const site = await startSite(cluster, { resources: { exchange: raw }, client: { args } });
    clients.push(site.client);
    const { gateway, token } = site;
    const { admin } = cluster;
    await admin.putAccessList(gateway.id, [{ action: 'allow', host: '127.0.0.1', port: '*' }]);
    const [tls, http] = await Promise.all([
      admin.createDestination(gateway.id, {
        name: 'tls',
        resource: { host: raw.host, port: raw.port },
        front: { tls: { mode: 'server' } },
      }),
      admin.createDestination(gateway.id, {
        name: 'http',
        resource: { host: web.host, port: web.port, protocol: 'http' },
        front: { protocol: 'http' },
      }),
    ]);
    await untilServed(cluster, [tls, http]);
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
    const [fronts, resources, ca] = [{ tls, http }, [raw, web], await readFile(caFile, 'utf8')];
    return new World({ cluster, resources, site, clients, edges, tunnels, links, fronts, ca });
  } catch (error) {
    for (const client of clients) await client.stop();
    for (const proxy of [...tunnels, ...links]) await proxy.close();
    await cluster.stop();
    await raw.stop();
    await web.stop();
    throw error;
  }
}

/** The address at which a node's ports are to be found. */
function proxyHost(net: LoopbackNet, address: string): string {
  return net.address(firstProxyAddress + Number(address.split('.').at(-1)));
}
