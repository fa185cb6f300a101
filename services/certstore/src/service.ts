/**
 * certstore: owns certificates and private keys. It opens the store, proves its key-encryption key, loads the CAs, and
 * only then answers on the bus; so nobody is ever given a certificate that the next start could not stand behind.
 * While the store is out of reach, or a CA is to be made by a clock that is not the database's, it waits and tries again; a
 * wrong key ends the program. Once the documents were restored it starts anew, as often as it takes.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { serveBackup } from '@postern/backup';
import type { Bus, Subscription } from '@postern/bus';
import { answererOf, certificateFeed, findGateway } from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import { migrate, timeOfAll, untilReachable, type Store } from '@postern/store';
import { ExitError, Metrics, readyWhen, silentLogger } from '@postern/telemetry';
import type { Logger, Readiness, Service } from '@postern/telemetry';
import {
  clientAuthorities,
  dropClientAuthorities,
  openAuthorities,
  type Authorities,
} from './authority/authority.ts';
import { backupSource } from './backup.ts';
import { certificateSource } from './certificate-feed.ts';
import { Certificates } from './certificates.ts';
import { openDocuments, ownedCollections } from './document.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { IntakeKey } from './material/intake-key.ts';
import { answerThoseWithoutCertificate } from './issuing.ts';
import { IssuedList } from './authority/issued.ts';
import { Issuer } from './authority/issuer.ts';
import { checkKey } from './secret/key-check.ts';
import type { KeyRing } from './secret/key-ring.ts';
import {
  type KeySettings,
  checkKeySettings,
  keyExitOf,
  openRing,
  readingSecrets,
} from './secret/key-settings.ts';
import { MaterialSigner } from './material/material-signer.ts';
import { Materials } from './material/materials.ts';
import { certstoreMetrics, type CertstoreMetrics } from './metrics.ts';
import { namePolicy, platformNames, type NamePolicyOptions } from './authority/name-policy.ts';
import { PairGenerator } from './authority/pair-generator.ts';
import { Passwords } from './material/passwords.ts';
import { answerQuestions } from './questions.ts';
import { Rotation } from './secret/rotation.ts';
import { SessionTickets } from './material/session-tickets.ts';
import { Usage } from './usage.ts';

/** What a certstore is made of. */
export interface CertstoreParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly options: CertstoreOptions;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly now?: () => Date;
}

/** What is set. */
export interface CertstoreOptions extends KeySettings {
  readonly platformHost: string;
  readonly certificateNames?: NamePolicyOptions['names'];
  readonly certificateAddresses?: NamePolicyOptions['addresses'];
  readonly certificateDays?: number;
  /** How many issued certificates are listed. */
  readonly issuedMax?: number;
  /** How many certificates operators may store. */
  readonly certificatesMax?: number;
}

/** What lives from start to stop, or until the documents are restored. */
interface Running {
  readonly authorities: Authorities;
  readonly rotation: Rotation;
  readonly expiry: ExpiryWatch;
  readonly passwords: Passwords;
  readonly issued: IssuedList;
  /** What a stop closes, in reverse. */
  readonly opened: AsyncDisposableStack;
}

const queue = 'certstore';
const sweepIntervalMs = 3_600_000;
const lookIntervalMs = 10_000;
const restartIntervalMs = 1_000;
const certificatesMaxDefault = 2_000;
const issuedMaxDefault = 10_000;
const certificateDaysDefault = 30;

const unlooked = 'certificates could not be looked through';

const stop = (one: Pick<Service, 'stop'>): Promise<void> => one.stop();
const close = (one: Subscription): void => one.close();

/** Makes the service. Throws `ExitError` (78) where a key-encryption key can never be had by these settings. */
export function createCertstore(parts: CertstoreParts): Service {
  return new Certstore(parts);
}

class Certstore implements Service {
  readonly name = 'certstore';
  readonly #parts: CertstoreParts;
  readonly #logger: Logger;
  readonly #metrics: CertstoreMetrics;
  readonly #now: () => Date;
  readonly #stopped = new AbortController();
  #ring: KeyRing | null = null;
  #running: Running | null = null;
  #issuedCount: number | null = null;
  #starting: Promise<void> = Promise.resolve();
  #restoring: Promise<void> = Promise.resolve();

  constructor(parts: CertstoreParts) {
    this.#parts = parts;
    this.#logger = (parts.logger ?? silentLogger).child({ subsystem: 'certstore' });
    this.#metrics = certstoreMetrics(
      parts.metrics ?? new Metrics(),
      () => this.#running?.authorities ?? null,
      () => this.#running?.expiry.expiring ?? [],
    );
    this.#now = parts.now ?? (() => new Date());
    checkKeySettings(parts.options);
  }

  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { signal } = this.#stopped;
    const onRetry = this.#told('certificates cannot be served yet; trying again');
    const run = (): Promise<Running> => readingSecrets(() => this.#run());
    const running = await untilReachable(run, { signal, onRetry }).catch((error: unknown) => {
      throw keyExitOf(error);
    });
    if (running === null) return;
    // Stopped meanwhile.
    if (signal.aborted) return running.opened.disposeAsync();
    this.#running = running;
    await this.#sweep(running);
    const { fingerprint } = running.authorities.platform;
    this.#logger.info({ keyId: this.#ring?.keyId, ca: fingerprint }, 'certificates are served');
  }

  ready(): Readiness {
    return readyWhen({ bus: !this.#parts.bus.connected, certificates: this.#running === null });
  }

  status(): unknown {
    return {
      keyId: this.#ring?.keyId ?? null,
      keyRotation: this.#running?.rotation.progress ?? null,
      issued: this.#issuedCount,
      authorities: Object.values(this.#running?.authorities ?? {}).map(({ name, fingerprint, notAfter }) => ({
        name,
        fingerprint,
        notAfter: notAfter.toISOString(),
      })),
    };
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#restoring;
    await this.#end();
  }

  /** The documents were restored: CAs and keys are others now. */
  #handleRestored(): void {
    this.#logger.warn({}, 'the documents were restored: certificates and keys are loaded anew');
    this.#restoring = this.#restoring.then(() => this.#startAnew());
  }

  /** Until it has; only what ends a start for good (`ExitError`) is nobody's to handle, and ends the program. */
  async #startAnew(): Promise<void> {
    const { signal } = this.#stopped;
    // Restored while it started: that comes to its end first. One that fails ends the program by itself.
    if (!(await this.#starting.then(...isDone))) return;
    while (!signal.aborted) {
      await this.#end();
      try {
        await this.#start();
        return;
      } catch (error) {
        if (error instanceof ExitError) throw error;
        this.#logger.error({ error }, 'the restored documents could not be loaded; trying again');
        await wait(restartIntervalMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #end(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.opened.disposeAsync();
  }

  /** Closes what it has opened when the rest fails. */
  async #run(): Promise<Running> {
    await using opened = new AsyncDisposableStack();
    const { bus, store, options } = this.#parts;
    const [now, logger] = [this.#now, this.#logger];
    const ring = (this.#ring ??= await openRing(options));
    const { signal } = this.#stopped;
    const onProgress = (progress: object): void => logger.info(progress, 'brought documents up to date');
    const collections = await ownedCollections(store);
    await migrate(store, { room: 'certstore', collections, signal, onProgress });
    await checkKey(store, ring);
    const issued = await IssuedList.open(store, options.issuedMax ?? issuedMaxDefault);
    const documents = await openDocuments(store);
    // Before what it tells of is loaded: a restore between the two would not be noticed, and the former CAs stay.
    const feed = opened.adopt(
      await FeedOwner.open({
        feed: certificateFeed,
        store,
        bus,
        source: certificateSource(documents),
        onError: this.#told('what others follow could not be read'),
        onRestored: () => this.#handleRestored(),
      }),
      stop,
    );
    const intake = await IntakeKey.open(documents, ring);
    const authorities = await openAuthorities(store, ring);
    const names = this.#nameOptions();
    const certificateDays = options.certificateDays ?? certificateDaysDefault;
    const issuer = new Issuer({ authorities, issued, policy: namePolicy(names), now, certificateDays });
    const metrics = this.#metrics;
    const answered = answerThoseWithoutCertificate({ feed, authorities, issuer, queue, logger, metrics });
    for (const one of answered) opened.adopt(one, close);
    const rotation = opened.adopt(this.#makeRotation(ring), stop);
    const usage = opened.adopt(
      new Usage(bus, (error) => logger.debug({ error }, 'the router did not give its routes')),
      stop,
    );
    usage.start();
    const passwords = new Passwords({ documents, usage, intake, wrapper: ring, now });
    const certificates = new Certificates({
      bus,
      store,
      documents,
      feed,
      usage,
      intake,
      wrapper: ring,
      now,
      certificatesMax: options.certificatesMax ?? certificatesMaxDefault,
      passwords,
    });
    const materials = new Materials({
      certificates,
      passwords,
      sessionTickets: new SessionTickets({ documents, wrapper: ring, now }),
      usage,
      authorities,
      signer: new MaterialSigner(authorities),
      now,
    });
    const pairs = new PairGenerator({
      bus,
      store,
      certificates,
      platform: authorities.platform,
      clientAuthority: clientAuthorities(store, ring),
      names: platformNames(names),
      servedNames: () => issued.namesBeside(options.platformHost.toLowerCase()),
      now,
    });
    const serve = answererOf({ bus: feed.attendance, queue, logger, metrics: this.#metrics });
    const answerers = { certificates, materials, passwords, intake, pairs, rotation };
    for (const one of answerQuestions(serve, answerers)) opened.adopt(one, close);
    const backup = await serveBackup({
      bus,
      store,
      source: await backupSource(store, ring, feed),
      serve,
      onError: this.#told('a piece of a backup could not be read'),
      logger: logger,
    });
    for (const one of backup) opened.adopt(one, close);
    const expiry = new ExpiryWatch({ bus, store, documents, usage, feed, logger, now });
    const running = { authorities, rotation, expiry, passwords, issued };
    const sweep = (): void => {
      void this.#sweep(running);
      void this.#dropAuthorities();
    };
    opened.adopt(setInterval(sweep, sweepIntervalMs).unref(), clearInterval);
    const lookWhenDue = (): void => void expiry.lookWhenDue().catch(this.#told(unlooked));
    opened.adopt(setInterval(lookWhenDue, lookIntervalMs).unref(), clearInterval);
    return { ...running, opened: opened.move() };
  }

  #nameOptions(): NamePolicyOptions {
    const { platformHost, certificateNames = [], certificateAddresses = [] } = this.#parts.options;
    return { platformHost, names: certificateNames, addresses: certificateAddresses };
  }

  #makeRotation(ring: KeyRing): Rotation {
    const rotation = new Rotation({
      store: this.#parts.store,
      ring,
      onProgress: (progress) => this.#logger.info(progress, 'secrets were sealed under the newest key'),
      onError: this.#told('a secret could not be sealed under the newest key'),
    });
    rotation.resume().catch(this.#told('secrets under older keys could not be counted'));
    return rotation;
  }

  /** Each by itself: passwords want the router, and what was issued does not. */
  async #sweep({ expiry, passwords, issued }: Omit<Running, 'opened'>): Promise<void> {
    const told = this.#told(unlooked);
    await expiry.look().catch(told);
    try {
      const time = await timeOfAll(this.#parts.store, this.#now().getTime());
      await passwords.sweep(time).catch(told);
      this.#issuedCount = await issued.sweep(new Date(time));
    } catch (error) {
      told(error);
    }
  }

  /** Not at the start, which would wait for the router. */
  async #dropAuthorities(): Promise<void> {
    const { bus, store } = this.#parts;
    const wasDeleted = async (id: string): Promise<boolean> => (await findGateway(bus, id)) === 'deleted';
    const told = this.#told('CAs of deleted gateways could not be dropped');
    await dropClientAuthorities(store, wasDeleted).catch(told);
  }

  #told(what: string): (error: unknown) => void {
    return (error) => this.#logger.warn({ error }, what);
  }
}

/** Handlers of a promise: whether it was fulfilled. */
const isDone = [() => true, () => false] as const;
