/**
 * Sites of one cluster, each with a proxy of its own before the node's tunnel port, so that one site's way can be cut
 * while another's works. The node calls its tunnel port by a name; each client is told another address for that name.
 *
 *   client A ──► proxy A ──┐
 *                          ├──► node, tunnel port        the connect port is reached directly
 *   client B ──► proxy B ──┘
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

const TUNNEL_NAME = 'tunnels.localhost';
const FIRST_PROXY_ADDRESS = 200;

/** A cluster of one node whose tunnel port clients reach by a name only. */
export function bootProxiedCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { edge = [], ...others } = options.args ?? {};
  return bootCluster({
    ...options,
    nodes: 1,
    args: { ...others, edge: ['--advertise-host', TUNNEL_NAME, ...edge] },
  });
}

/** A site and the proxy that its tunnels go through. */
export class ProxiedSite implements AsyncDisposable {
  readonly site: Site;
  readonly proxy: CuttableProxy;

  constructor(site: Site, proxy: CuttableProxy) {
    this.site = site;
    this.proxy = proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site.stop();
    await this.proxy.close();
  }
}

/** How a proxied site is to be. */
export interface ProxiedSiteOptions {
  readonly name: string;
  readonly resources: Readonly<Record<string, Endpoint>>;
  /** Further flags of the client. */
  readonly args?: readonly string[];
  /** Where the proxy leads, when it is not the node itself. */
  readonly target?: Endpoint;
  /** Called before the client is started. */
  readonly prepare?: (proxy: CuttableProxy) => void;
}

/** Starts one; `index` tells sites of one cluster apart. */
export async function startProxiedSite(
  cluster: Cluster,
  index: number,
  { name, resources, args = [], target, prepare }: ProxiedSiteOptions,
): Promise<ProxiedSite> {
  const host = cluster.net.address(FIRST_PROXY_ADDRESS + index);
  const port = cluster.layout.tunnelPort;
  const node = { host: cluster.nodeHosts[0] ?? '', port };
  const proxy = await CuttableProxy.listen(target ?? node, { host, port });
  prepare?.(proxy);
  try {
    const client = { name, args: ['--hosts', `${TUNNEL_NAME}=${host}`, ...args] };
    return new ProxiedSite(await startSite(cluster, { name, resources, client }), proxy);
  } catch (error) {
    await proxy.close();
    throw error;
  }
}
