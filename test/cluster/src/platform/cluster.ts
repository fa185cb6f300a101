/**
 * The whole platform as real processes: NATS, a MongoDB-wire server, router, acl, certstore, admin and the nodes,
 * each with a pid, an address and a log of its own. Parts can be killed and started again by name, at the same
 * address; nothing is started again by itself.
 *
 *   servers (NATS, documents) ──► services, all at once, each waits for what it needs ──► /readyz of all ──► CA
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectNats } from '@postern/bus';
import { ask, getCa } from '@postern/contracts';
import { AdminClient } from '../admin/admin-client.ts';
import { type LoopbackNet, takeLoopbackNet } from '../network/loopback-net.ts';
import type { Part } from '../process/part.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';
import { type DocumentServer, startMongodb } from '../server/mongodb.ts';
import { type NatsServer, startNats } from '../server/nats.ts';
import { type Layout, type PartKind, type Place, layOut } from './layout.ts';
import type { Platform } from './platform.ts';
import { keepSecret } from './secret-file.ts';
import { opsUrl, servicePart } from './service-part.ts';
import { serviceArguments, serviceEnvironment } from './service-settings.ts';

/** How a cluster is to be. */
export interface ClusterOptions {
  /** Keeps everything; a temporary folder that goes with the cluster when none is given. */
  readonly state?: string;
  readonly nodes?: number;
  /** Processes of each node. */
  readonly workers?: number;
  readonly nats?: number;
  /** The loopback net, like `127.0.1`; a free one when none is given. */
  readonly net?: string;
  readonly frontPorts?: { readonly first: number; readonly last: number };
  /** Further flags by kind, such as `{ edge: ['--tunnels-max', '10'] }`. */
  readonly args?: Partial<Record<PartKind, readonly string[]>>;
  /** Further flags of each node, by its place. */
  readonly nodeArgs?: (place: Place, net: LoopbackNet) => readonly string[];
  /** Further variables of each node, by its place. */
  readonly nodeEnvironment?: (place: Place) => Readonly<Record<string, string>>;
  /** Called when the servers run, before any service is started. */
  readonly beforeServices?: (cluster: Cluster) => Promise<void>;
  readonly logLevel?: string;
  /** How long a part may drain when the cluster is stopped, before it is killed. */
  readonly stopWithinMs?: number;
}

/** A process of the cluster as `cluster.json` lists it. */
export interface ProcessEntry {
  readonly name: string;
  readonly kind: PartKind;
  readonly pid: number;
  readonly address: string;
  readonly opsUrl: string | null;
}

interface Member {
  readonly kind: PartKind;
  readonly address: string;
  readonly opsUrl: string | null;
  readonly part: Part;
}

const platformHost = 'localhost';

/** A running cluster. */
export class Cluster implements Platform {
  readonly state: string;
  readonly net: LoopbackNet;
  readonly layout: Layout;
  readonly apiKey: string;
  readonly platformHost = platformHost;
  readonly #members = new Map<string, Member>();
  readonly #isScratch: boolean;
  #admin: AdminClient | null = null;
  #documents: Pick<DocumentServer, 'url' | 'database'> | null = null;
  #busUrl: string | null = null;
  #stopping: Promise<void> | null = null;

  constructor(parts: {
    state: string;
    isScratch: boolean;
    net: LoopbackNet;
    layout: Layout;
    apiKey: string;
  }) {
    this.state = parts.state;
    this.#isScratch = parts.isScratch;
    this.net = parts.net;
    this.layout = parts.layout;
    this.apiKey = parts.apiKey;
  }

  get adminUrl(): string {
    const admin = this.layout.services.find((place) => place.kind === 'admin');
    return `https://${admin?.address}:${this.layout.adminPort}`;
  }

  /** The first node; each serves the same. */
  get connectUrl(): string {
    return `https://${this.nodeHosts[0]}:${this.layout.connectPort}`;
  }

  get httpPort(): number {
    return this.layout.httpPort;
  }

  get caFile(): string {
    return join(this.state, 'ca.pem');
  }

  get nodeHosts(): readonly string[] {
    return [...new Set(this.layout.edges.map((edge) => edge.address))];
  }

  get nodeCount(): number {
    return this.layout.edges.length;
  }

  get admin(): AdminClient {
    if (this.#admin === null) throw new Error('the cluster is not ready');
    return this.#admin;
  }

  /** Where its documents are, for a test that makes one as it could not be made otherwise. */
  get documents(): Pick<DocumentServer, 'url' | 'database'> {
    if (this.#documents === null) throw new Error('the cluster is not ready');
    return this.#documents;
  }

  /** Where its bus is, for a test that hears what services say to each other. */
  get busUrl(): string {
    if (this.#busUrl === null) throw new Error('the cluster is not ready');
    return this.#busUrl;
  }

  get processes(): ProcessEntry[] {
    return [...this.#members].map(([name, { kind, address, opsUrl, part }]) => {
      return { name, kind, pid: part.pid, address, opsUrl };
    });
  }

  /** The process of that name: `edge-1`, with workers `edge-1.2`, `router`, `nats-1`, `mongodb`. */
  part(name: string): Part {
    const member = this.#members.get(name);
    if (member === undefined) {
      throw new Error(`there is no ${name} in this cluster: ${[...this.#members.keys()].join(', ')}`);
    }
    return member.part;
  }

  /** Kills a part as a power cut would, and resolves when it is gone. */
  async kill(name: string): Promise<void> {
    const part = this.part(name);
    part.kill('SIGKILL');
    await part.exited;
  }

  /** Starts a part again, with the same address and ports, and resolves when it is ready. */
  async restart(name: string): Promise<void> {
    await this.part(name).restart();
  }

  /** Ends everything, those first that others do not need. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** For the one that boots it. */
  add(name: string, member: Member): void {
    this.#members.set(name, member);
  }

  /** For the one that boots it. */
  useBus(url: string): void {
    this.#busUrl = url;
  }

  /** For the one that boots it. */
  useDocuments(documents: DocumentServer): void {
    this.#documents = documents;
  }

  /** For the one that boots it. */
  useCa(caPem: string): void {
    this.#admin = new AdminClient({ adminUrl: this.adminUrl, apiKey: this.apiKey, caPem });
  }

  async #stop(): Promise<void> {
    this.#admin?.close();
    const isServer = ({ kind }: Member): boolean => kind === 'nats' || kind === 'mongodb';
    const members = [...this.#members.values()];
    await Promise.all(members.filter((one) => !isServer(one)).map(({ part }) => part.stop()));
    await Promise.all(members.filter(isServer).map(({ part }) => part.stop()));
    this.net.release();
    if (this.#isScratch) removeScratch(this.state);
  }
}

/** Boots a cluster and resolves when every part of it is ready. What was started is ended when one cannot be. */
export async function bootCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const net = await takeLoopbackNet(options.net);
  const isScratch = options.state === undefined;
  const state = options.state ?? (await makeScratch('cluster'));
  await mkdir(join(state, 'logs'), { recursive: true, mode: 0o700 });
  const frontPorts = options.frontPorts ?? { first: 15_000, last: 16_999 };
  const layout = await layOut(net, {
    nodes: options.nodes ?? 2,
    workers: options.workers ?? 1,
    nats: options.nats ?? 1,
    frontPortFirst: frontPorts.first,
    frontPortLast: frontPorts.last,
  });
  const apiKey = await keepSecret(join(state, 'api-key'), (random) => `pk_${random.toString('base64url')}`);
  await keepSecret(join(state, 'key-encryption-key'), (random) => random.toString('base64'));
  const cluster = new Cluster({ state, isScratch, net, layout, apiKey });
  try {
    const servers = await startServers(cluster);
    cluster.useDocuments(servers.documents);
    cluster.useBus(servers.nats.map(({ url }) => url).join(','));
    await options.beforeServices?.(cluster);
    await startServices(cluster, servers, options);
    cluster.useCa(await fetchCa(servers.nats, cluster.caFile));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

interface Servers {
  readonly nats: readonly NatsServer[];
  readonly documents: DocumentServer;
}

async function startServers(cluster: Cluster): Promise<Servers> {
  const { layout, state } = cluster;
  const logs = join(state, 'logs');
  const started = await Promise.allSettled([
    startNats(logs, layout.natsAddresses).then((nats) => {
      for (const { part, address, opsUrl } of nats)
        cluster.add(part.name, { kind: 'nats', address, opsUrl, part });
      return nats;
    }),
    startMongodb(state, layout.mongodbAddress, logs).then((documents) => {
      const { part, address } = documents;
      if (part !== null) cluster.add(part.name, { kind: 'mongodb', address, opsUrl: null, part });
      return documents;
    }),
  ]);
  const [nats, documents] = started;
  if (nats.status === 'rejected') throw nats.reason;
  if (documents.status === 'rejected') throw documents.reason;
  return { nats: nats.value, documents: documents.value };
}

async function startServices(cluster: Cluster, servers: Servers, options: ClusterOptions): Promise<void> {
  const { layout, state } = cluster;
  const environment = {
    ...serviceEnvironment(state),
    POSTERN_NATS_URL: servers.nats.map(({ url }) => url).join(','),
    POSTERN_MONGODB_URL: servers.documents.url,
    POSTERN_MONGODB_DATABASE: servers.documents.database,
    POSTERN_LOG_LEVEL: options.logLevel ?? 'info',
  };
  const settings = {
    environment,
    logFolder: join(state, 'logs'),
    stopWithinMs: options.stopWithinMs ?? 5_000,
  };
  for (const place of [...layout.services, ...layout.edges]) {
    const own = place.kind === 'edge' ? (options.nodeArgs?.(place, cluster.net) ?? []) : [];
    const further = [...(options.args?.[place.kind] ?? []), ...own];
    const args = [...serviceArguments(place, layout, platformHost), ...further];
    const variables = place.kind === 'edge' ? options.nodeEnvironment?.(place) : {};
    const part = servicePart(place, { ...settings, environment: { ...environment, ...variables }, args });
    cluster.add(place.name, { kind: place.kind, address: place.address, opsUrl: opsUrl(place), part });
  }
  await Promise.all([...layout.services, ...layout.edges].map(({ name }) => cluster.part(name).start()));
}

async function fetchCa(nats: readonly NatsServer[], caFile: string): Promise<string> {
  const bus = await connectNats({
    servers: nats.map(({ url }) => url).join(),
    name: 'postern-cluster-harness',
  });
  try {
    const { pem } = await ask(bus, getCa, {});
    await writeFile(caFile, pem);
    return pem;
  } finally {
    await bus.close();
  }
}
