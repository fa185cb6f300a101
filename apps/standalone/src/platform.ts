/**
 * Every service in this process, on the in-process bus and SQLite. The same code, contracts and questions as with
 * separate processes; only the adapters differ. The order of the start, and why:
 *
 *     folder ─► certstore ─► router ─► acl ─► edge ─► admin ─► operator.json
 *
 * The folder first: whoever holds its documents may touch the rest. certstore before all that serve TLS. The router
 * before acl, which follows its gateways; both before the edge, which listens only once it knows routes, policies and
 * ticket keys. admin last, since it answers for all of them. Each would wait for those it needs in any order; in this
 * one nobody waits. The stop goes the other way: no more changes, callers are drained, then the owners go.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { MemoryHub, type MemoryBus } from '@postern/bus';
import { createAcl } from '@postern/acl';
import { createAdmin, type AdminService } from '@postern/admin';
import { type KeySettings, createCertstore } from '@postern/certstore';
import { Secret } from '@postern/config';
import {
  ServiceError,
  ask,
  certificateFeed,
  gatewayFeed,
  getCa,
  policyFeed,
  routeFeed,
} from '@postern/contracts';
import { createEdge, type Edge } from '@postern/edge';
import { renewEpochs, watchEpoch } from '@postern/replica';
import { createRouter } from '@postern/router';
import { storeMetrics } from '@postern/store';
import { Metrics, combineReadiness, silentLogger } from '@postern/telemetry';
import type { Logger, Readiness, Service, Tracing } from '@postern/telemetry';
import { platformSettingsOf, type PlatformSettings } from './config.ts';
import { chooseConnectPort, chooseHttpPort, freePort, isFrontPortFree } from './port-choice.ts';
import { startError } from './errors.ts';
import type { Operator } from './operator.ts';
import {
  adminOptionsOf,
  certstoreOptionsOf,
  connectUrlOf,
  edgeOptionsOf,
  routerOptionsOf,
  type Ports,
} from './service-options.ts';
import { StateFolder } from './state-folder.ts';

const retryMs = 250;

/** How a platform is to be. */
export interface PlatformOptions {
  /** The folder that keeps everything. */
  readonly state: string;
  /** What is not given is as by default. */
  readonly settings?: Partial<PlatformSettings>;
  /**
   * Where the key-encryption key is, asked at the start. Unless one is given, the folder's is used, and one is made for a
   * new folder.
   */
  readonly keys?: () => KeySettings;
  readonly version: string;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Asked once the parts before it have started. */
  readonly tracing?: () => Tracing | null;
}

/** A platform in this process. */
export interface Platform extends Service {
  /** The services in the order of their start. */
  readonly services: readonly Service[];
}

/** Makes a platform; `start` resolves when all of it serves, `operator.json` is written. */
export function createPlatform(options: PlatformOptions): Platform {
  return new StandalonePlatform(options);
}

class StandalonePlatform implements Platform {
  readonly name = 'platform';
  readonly #options: PlatformOptions;
  readonly #settings: PlatformSettings;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #hub = new MemoryHub();
  readonly #buses: MemoryBus[] = [];
  #folder: StateFolder | null = null;
  #services: readonly Service[] = [];
  #isDescribed = false;
  #stopping: Promise<void> | null = null;

  constructor(options: PlatformOptions) {
    this.#options = options;
    this.#settings = platformSettingsOf(options.settings ?? {});
    this.#logger = options.logger ?? silentLogger;
    this.#metrics = options.metrics ?? new Metrics();
  }

  get services(): readonly Service[] {
    return this.#services;
  }

  async start(): Promise<void> {
    try {
      this.#folder = StateFolder.open(this.#options.state, storeMetrics(this.#metrics));
      await this.#startServices(this.#folder);
    } catch (error) {
      await this.stop();
      throw startError(error);
    }
  }

  ready(): Readiness {
    const own = { name: 'operator.json', ready: () => ({ ready: this.#isDescribed, waitingFor: [] }) };
    return combineReadiness([...this.#services, own]);
  }

  status(): unknown {
    return Object.fromEntries(this.#services.map((service) => [service.name, service.status() ?? null]));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #startServices(folder: StateFolder): Promise<void> {
    const ports = await this.#choosePorts(folder);
    const apiKey = folder.apiKey();
    const keys = await this.#keys(folder);
    const { edge, admin } = this.#create(folder, ports, apiKey, keys);
    // The file may be an older copy, as one from a backup of the machine.
    await renewEpochs(folder.store, [gatewayFeed, routeFeed, policyFeed, certificateFeed]);
    for (const service of this.#services) {
      if (this.#stopping !== null) return;
      await service.start();
    }
    if (this.#stopping !== null) return;
    const adminUrl = admin.url ?? '';
    folder.keepPorts({ ...edge.ports, admin: Number(new URL(adminUrl).port || 443) });
    await this.#keepCa(folder);
    folder.writeOperator(this.#describe({ folder, apiKey, adminUrl, ports: edge.ports }));
    this.#isDescribed = true;
  }

  #create(
    folder: StateFolder,
    ports: Ports,
    apiKey: string,
    keys: KeySettings,
  ): { edge: Edge; admin: AdminService } {
    const { version } = this.#options;
    const metrics = this.#metrics;
    const { store } = folder;
    const settings = this.#settings;
    const logger = this.#logger;
    const parts = () => ({ bus: this.#connect(), store, logger, metrics });
    const certstore = createCertstore({
      ...parts(),
      options: { ...certstoreOptionsOf(settings), ...keys },
    });
    const router = createRouter({
      ...parts(),
      config: routerOptionsOf(settings, ports),
      isPortFree: (transport, port) => isFrontPortFree(settings.listenHost, transport, port),
    });
    const acl = createAcl({ ...parts(), config: { ...settings, firstApiKey: new Secret(apiKey) } });
    const tracing = this.#options.tracing?.() ?? null;
    const edge = createEdge({
      ...parts(),
      options: edgeOptionsOf(settings, ports),
      version,
      alone: true,
      tracing,
    });
    const admin = createAdmin({ ...parts(), options: adminOptionsOf(settings, ports), version });
    this.#services = [certstore, router, acl, edge, admin];
    return { edge, admin };
  }

  /** What the folder has is read anew when it is to be replaced, and stays good beside a transit server's. */
  async #keys(folder: StateFolder): Promise<KeySettings> {
    const keys = this.#options.keys?.();
    if (keys !== undefined && keys.keyEncryptionKey !== '') return keys;
    const transit = keys?.transit ?? null;
    const read = (): string => folder.keptKeys() ?? '';
    const keyEncryptionKey = transit === null ? await folder.keyEncryptionKey() : read();
    return { keyEncryptionKey, readKeyEncryptionKey: read, transit };
  }

  /** What is set counts; 0, and a shared port that is not set, are what they were at the last start. */
  async #choosePorts(folder: StateFolder): Promise<Ports> {
    const kept = folder.ports();
    const { connectPort, httpPort, tunnelPort, adminPort, listenHost } = this.#settings;
    const connect = connectPort || (kept.connect ?? connectPort ?? (await chooseConnectPort(listenHost)));
    const http = httpPort || (kept.http ?? httpPort ?? (await chooseHttpPort(listenHost)));
    return {
      // The router must know them before the edge listens: fronts share them.
      connect: connect || (await freePort(listenHost)),
      http: http || (await freePort(listenHost)),
      tunnel: tunnelPort || (kept.tunnel ?? 0),
      admin: adminPort || (kept.admin ?? 0),
    };
  }

  /** The CA for operators and clients: another one once a backup was restored. */
  async #keepCa(folder: StateFolder): Promise<void> {
    const bus = this.#connect();
    folder.writeCa((await ask(bus, getCa, {})).pem);
    const onError = (error: unknown): void =>
      this.#logger.warn({ error }, 'the CA after a restore could not be written to the folder');
    const rewrite = async (): Promise<void> => {
      while (this.#stopping === null) {
        try {
          folder.writeCa((await ask(bus, getCa, {})).pem);
          return;
        } catch (error) {
          // certstore loads what was restored.
          if (!(error instanceof ServiceError) || error.body.status !== 503) return onError(error);
        }
        await pause(retryMs, undefined, { ref: false });
      }
    };
    watchEpoch(bus, certificateFeed, () => void rewrite(), onError);
  }

  #describe(parts: {
    folder: StateFolder;
    apiKey: string;
    adminUrl: string;
    ports: { connect: number; tunnel: number };
  }): Operator {
    const { folder, apiKey, adminUrl, ports } = parts;
    return {
      adminUrl,
      apiKey,
      caFile: folder.caFile,
      connectUrl: connectUrlOf(this.#settings, ports.connect),
      tunnelPort: ports.tunnel,
      platformHost: this.#settings.platformHost,
      dashboardUrl: `${adminUrl}/api/docs`,
    };
  }

  /** A connection of its own for each, as with separate processes. */
  #connect(): MemoryBus {
    const onError = (error: unknown): void =>
      this.#logger.warn({ subsystem: 'bus', error }, 'the bus has a fault');
    const bus = this.#hub.connect({ onError });
    this.#buses.push(bus);
    return bus;
  }

  async #stop(): Promise<void> {
    this.#isDescribed = false;
    for (const service of this.#services.toReversed()) await service.stop();
    for (const bus of this.#buses) await bus.close();
    await this.#folder?.store.close();
  }
}
