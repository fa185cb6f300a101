/**
 * The admin API as a service. It owns nothing but the answers to repeated requests; everything else is asked of its
 * owner. It listens once it has a certificate and its collection; until then it waits, and says for what.
 */
import { isIP, type AddressInfo } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import type { Bus } from '@postern/bus';
import { type HeldCertificate, KeptCertificate, type Wait } from '@postern/kept-certificate';
import { untilReachable, type Store } from '@postern/store';
import { ExitCode } from '@postern/config';
import { ExitError, Metrics, readyWhen, silentLogger } from '@postern/telemetry';
import type { Logger, Readiness, Service } from '@postern/telemetry';
import { contextOptions } from '@postern/tls';
import type { FastifyInstance } from 'fastify';
import type { AdminOptions } from './config.ts';
import { Authenticator } from './http/authentication.ts';
import { IdempotencyKeeper } from './http/idempotency.ts';
import { createServer } from './http/server.ts';
import { adminMetrics } from './metrics.ts';
import { allEndpoints } from './resource/all.ts';
import { WrongClocks } from './resource/wrong-clocks.ts';

/** What an admin API is made of. */
export interface AdminParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly options: AdminOptions;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly version: string;
  /** Passes the time until certificates are renewed; tests give their own. */
  readonly wait?: Wait;
  /** How long `stop` waits for calls that are answered now; tests give their own. */
  readonly stopWithinMs?: number;
}

/** The service; `url` is there once it listens. */
export interface AdminService extends Service {
  /** `https://host:port`, or null. */
  readonly url: string | null;
}

const sweepIntervalMs = 600_000;
/** A little more than a handler may take. */
const stopWithinMsDefault = 35_000;

/** Makes the service. */
export function createAdmin(parts: AdminParts): AdminService {
  return new Admin(parts);
}

class Admin implements AdminService {
  readonly name = 'admin';
  readonly #parts: AdminParts;
  readonly #logger: Logger;
  readonly #stopped = new AbortController();
  readonly #certificate: KeptCertificate;
  #app: FastifyInstance | null = null;
  #authenticator: Authenticator | null = null;
  #clocks: WrongClocks | null = null;
  #sweepTimer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #url: string | null = null;

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.#logger = (parts.logger ?? silentLogger).child({ subsystem: 'admin' });
    const { bus, options, wait } = parts;
    const holder = { kind: 'service', name: 'admin' } as const;
    const names = certificateNames(options);
    this.#certificate = new KeptCertificate({ bus, logger: this.#logger, holder, names, wait });
    this.#certificate.onRenewed((certificate) => this.#serveWith(certificate));
  }

  get url(): string | null {
    return this.#url;
  }

  async start(): Promise<void> {
    const idempotency = await this.#openIdempotency();
    await this.#certificate.start(this.#stopped.signal);
    const { current } = this.#certificate;
    if (idempotency === null || current === null || this.#stopped.signal.aborted) return;
    const app = await this.#createServer(idempotency, current);
    await this.#listen(app);
    const sweep = (): void => void (this.#sweeping = this.#sweep(idempotency));
    this.#sweepTimer = setInterval(sweep, sweepIntervalMs).unref();
    sweep();
  }

  ready(): Readiness {
    return readyWhen({
      bus: !this.#parts.bus.connected,
      certificate: this.#certificate.current === null,
      listening: this.#url === null,
    });
  }

  status(): unknown {
    const { fingerprint = null, notAfter = null } = this.#certificate.current ?? {};
    return {
      url: this.#url,
      certificate: { fingerprint, notAfter },
      apiKeysCached: this.#authenticator?.size ?? 0,
    };
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#sweepTimer);
    this.#url = null;
    const app = this.#app;
    this.#app = null;
    if (app !== null) await this.#close(app);
    await this.#sweeping;
    this.#authenticator?.close();
    this.#clocks?.close();
  }

  /** Calls end in peace, within a bound: a closing server does not look any more for requests that are too slow. */
  async #close(app: FastifyInstance): Promise<void> {
    const { stopWithinMs = stopWithinMsDefault } = this.#parts;
    const cut = setTimeout(() => app.server.closeAllConnections(), stopWithinMs);
    await app.close();
    clearTimeout(cut);
  }

  #serveWith(certificate: HeldCertificate): void {
    const server = this.#app?.server;
    if (server === undefined || !('setSecureContext' in server)) return;
    (server as unknown as TlsServer).setSecureContext(contextOptions(certificate));
  }

  #createServer(idempotency: IdempotencyKeeper, certificate: HeldCertificate): Promise<FastifyInstance> {
    const { bus, store, options, metrics = new Metrics(), version } = this.#parts;
    const onError = (error: unknown): void => this.#logger.warn({ error }, 'a notice could not be read');
    this.#clocks = new WrongClocks(bus, onError);
    this.#authenticator = new Authenticator({
      bus,
      entriesMax: options.apiKeysCachedMax,
      lifeMs: options.apiKeyCacheMs,
      onError,
    });
    return createServer({
      endpoints: allEndpoints({ bus, store, version, clocks: this.#clocks }),
      authenticator: this.#authenticator,
      idempotency,
      metrics: adminMetrics(metrics),
      logger: this.#parts.logger ?? silentLogger,
      version,
      tls: contextOptions(certificate),
    });
  }

  async #listen(app: FastifyInstance): Promise<void> {
    const { listenHost: host, port } = this.#parts.options;
    this.#app = app;
    try {
      await app.listen({ host, port });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const code = 'ADMIN_LISTEN_FAILED';
      const message = `${code}: the API cannot be served on ${host}, port ${port}: ${reason}`;
      throw new ExitError(ExitCode.configuration, message, { cause: error });
    }
    // The certificate may have been renewed since the server was made.
    if (this.#certificate.current !== null) this.#serveWith(this.#certificate.current);
    this.#url = urlOf(app.server.address() as AddressInfo);
    this.#logger.info({ url: this.#url }, 'the admin API is served');
  }

  /** Null when it was stopped while the store was out of reach. */
  #openIdempotency(): Promise<IdempotencyKeeper | null> {
    const { store, options } = this.#parts;
    const keeper = {
      store,
      recordsMax: options.idempotencyKeysMax,
      lifeMs: options.idempotencyHours * 3_600_000,
      onError: (error: unknown) =>
        this.#logger.warn({ error }, 'the answer to a repeatable request was not kept'),
    };
    return untilReachable(() => IdempotencyKeeper.open(keeper), {
      signal: this.#stopped.signal,
      onRetry: (error) => this.#logger.warn({ error }, 'the documents are out of reach; trying again'),
    });
  }

  async #sweep(idempotency: IdempotencyKeeper): Promise<void> {
    try {
      await idempotency.sweep();
    } catch (error) {
      this.#logger.warn({ error }, 'old answers could not be swept');
    }
  }
}

/** The platform's host, this machine's own names, and what the settings add. */
function certificateNames({ platformHost, listenHost, certificateNames }: AdminOptions): string[] {
  const own = isIP(listenHost) === 4 && listenHost.startsWith('127.') ? [listenHost] : [];
  return [...new Set([platformHost, 'localhost', '127.0.0.1', '::1', ...own, ...certificateNames])];
}

function urlOf({ address, family, port }: AddressInfo): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address;
  return `https://${family === 'IPv6' && host !== 'localhost' ? `[${host}]` : host}:${port}`;
}
