/**
 * A private network for a test: a gateway with a token, an access list that allows its resources, a destination for
 * each, and a client that is connected. `front('db')` is where a caller finds a resource.
 */
import type { Gateway, NewToken } from '@postern/contracts';
import type { ShownDestination } from '../admin/admin-client.ts';
import { type ClientProcess, type ClientProcessOptions, startClient } from '../client/client-process.ts';
import type { Platform } from '../platform/platform.ts';
import { pause } from '@postern/test-kit';

/** Where something listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** How a site is to be. */
export interface SiteOptions {
  readonly name?: string;
  /** The resources by name; each becomes a destination. */
  readonly resources: Readonly<Record<string, Endpoint>>;
  /** Differs from the platform's where a proxy stands in between. */
  readonly connectUrl?: string;
  readonly client?: Partial<ClientProcessOptions>;
}

/** A site with everything that a test may want to change. */
export class Site implements AsyncDisposable {
  readonly platform: Platform;
  readonly gateway: Gateway;
  readonly token: NewToken;
  readonly destinations: ReadonlyMap<string, ShownDestination>;
  readonly client: ClientProcess;

  constructor(parts: Pick<Site, 'platform' | 'gateway' | 'token' | 'destinations' | 'client'>) {
    this.platform = parts.platform;
    this.gateway = parts.gateway;
    this.token = parts.token;
    this.destinations = parts.destinations;
    this.client = parts.client;
  }

  destination(name: string): ShownDestination {
    const destination = this.destinations.get(name);
    if (destination === undefined) throw new Error(`the site has no destination ${name}`);
    return destination;
  }

  /** Where callers reach a resource: its front on node 0, or on the one given. */
  front(name: string, node = 0): Endpoint {
    return frontAt(this.platform, this.destination(name), node);
  }

  /** Ends the client; the gateway stays. */
  async stop(): Promise<void> {
    await this.client.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Makes a site and resolves when its client is connected and every node serves its fronts. */
export async function startSite(platform: Platform, options: SiteOptions): Promise<Site> {
  const { admin } = platform;
  const gateway = await admin.createGateway({ name: options.name ?? 'site' });
  const token = await admin.createToken(gateway.id);
  const resources = Object.entries(options.resources);
  await admin.putAccessList(
    gateway.id,
    resources.map(([, { host, port }]) => ({ action: 'allow', host, port: String(port) })),
  );
  const destinations = new Map<string, ShownDestination>();
  for (const [name, { host, port }] of resources) {
    destinations.set(name, await admin.createDestination(gateway.id, { name, resource: { host, port } }));
  }
  const client = await startClient({
    gatewayId: gateway.id,
    connectUrl: options.connectUrl ?? platform.connectUrl,
    caFile: platform.caFile,
    token: token.token,
    ...options.client,
  });
  await untilServed(platform, [...destinations.values()]);
  return new Site({ platform, gateway, token, destinations, client });
}

/** Where a destination's front is on a node. */
export function frontAt(platform: Platform, destination: ShownDestination, node = 0): Endpoint {
  const host = platform.nodeHosts[node];
  if (host === undefined || destination.front === undefined) throw new Error('no such front');
  return { host, port: destination.front.port };
}

/** Resolves when all nodes serve these fronts. A change is announced, so this is a matter of milliseconds. */
export async function untilServed(
  platform: Pick<Platform, 'admin' | 'nodeCount' | 'nodeHosts'>,
  destinations: readonly ShownDestination[],
): Promise<void> {
  const deadline = Date.now() + 15_000;
  const nodes = platform.nodeCount ?? platform.nodeHosts.length;
  const wanted = new Set(destinations.map(({ id }) => id));
  for (;;) {
    const fronts = (await platform.admin.fronts()).filter(({ destinationId }) => wanted.has(destinationId));
    const served = fronts.filter(({ listening }) => {
      return listening.filter((one) => one.listening && one.error === null).length >= nodes;
    });
    if (served.length === wanted.size) return;
    if (Date.now() > deadline) throw new Error(`fronts are not served: ${JSON.stringify(fronts)}`);
    await pause();
  }
}
