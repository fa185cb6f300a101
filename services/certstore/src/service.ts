/**
 * certstore: owns certificates and private keys. It opens the store, proves its key-encryption key, loads the CAs, and
 * only then answers on the bus; so nobody is ever given a certificate that the next start could not stand behind.
 * While the store is out of reach it waits and tries again; a wrong key ends the program. Once the documents were
 * restored it starts anew, as often as it takes.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { serveBackup } from '@postern/backup';
import type { Bus, Subscription } from '@postern/bus';
import {
  ServiceError,
  answer,
  answererOf,
  certificateFeed,
  getCa,
  issueNodeCertificate,
  issueServerCertificate,
} from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import { migrate, untilReachable, type Store } from '@postern/store';
import { ExitError, Metrics, readyWhen, silentLogger } from '@postern/telemetry';
import type { Logger, Readiness, Service } from '@postern/telemetry';
import { clientAuthorities, openAuthorities, type Authorities, type AuthorityName } from './authority.ts';
import { backupSource } from './backup.ts';
import { Certificates, certificateSource } from './certificates.ts';
import { openDocuments, ownedCollections, type Documents } from './document.ts';
import { certstoreError } from './errors.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { IntakeKey } from './intake-key.ts';
import { IssuedList } from './issued.ts';
import { Issuer } from './issuer.ts';
import { checkKey } from './key-check.ts';
import type { KeyRing } from './key-ring.ts';
import { type KeySettings, checkKeySettings, keyExitOf, openRing, readingSecrets } from './key-settings.ts';
import { MaterialSigner } from './material-signer.ts';
import { Materials } from './materials.ts';
import { certstoreMetrics, type CertstoreMetrics } from './metrics.ts';
import { namePolicy, platformNames, type NamePolicyOptions } from './name-policy.ts';
import { PairGenerator } from './pair-generator.ts';
import { Passwords } from './passwords.ts';
import { answerQuestions } from './questions.ts';
import { Rotation } from './rotation.ts';
import { SessionTickets } from './session-tickets.ts';
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

/** What was opened, and lives until the stop. */
interface Opened {
  readonly ring: KeyRing;
  readonly issued: IssuedList;
  readonly authorities: Authorities;
  readonly documents: Documents;
  readonly intake: IntakeKey;
  readonly feed: FeedOwner;
}

const queue = 'certstore';
const sweepIntervalMs = 3_600_000;
const restartIntervalMs = 1_000;

/** Makes the service. Throws `ExitError` (78) where a key-encryption key can never be had by these settings. */
export function createCertstore(parts: CertstoreParts): Service {
  return new Certstore(parts);
}

class Certstore implements Service {
  readonly name = 'certstore';
  readonly #parts: CertstoreParts;
  readonly #logger: Logger;
  readonly #metrics: CertstoreMetrics;
  #ring: KeyRing | null = null;
  #rotation: Rotation | null = null;
  #expiry: ExpiryWatch | null = null;
  readonly #stopped = new AbortController();
  #authorities: Authorities | null = null;
  #subscriptions: Subscription[] = [];
  #sweepTimer: NodeJS.Timeout | undefined;
  #issuedCount: number | null = null;
  #feed: FeedOwner | null = null;
  #usage: Usage | null = null;
  #starting: Promise<void> = Promise.resolve();
  #restoring: Promise<void> = Promise.resolve();
  #passwords: Passwords | null = null;

  constructor(parts: CertstoreParts) {
    this.#parts = parts;
    this.#logger = (parts.logger ?? silentLogger).child({ subsystem: 'certstore' });
    this.#metrics = certstoreMetrics(
      parts.metrics ?? new Metrics(),
      () => this.#authorities,
      () => this.#expiry?.expiring ?? [],
    );
    checkKeySettings(parts.options);
  }

  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const opened = await this.#open();
    if (opened === null) return;
    const { issued, authorities, feed } = opened;
    this.#serve(new Issuer(this.#issuerParts(authorities, issued)), feed);
    await this.#serveCertificates(opened);
    this.#sweepTimer = setInterval(() => void this.#sweep(issued), sweepIntervalMs).unref();
    await this.#sweep(issued);
    const { platform } = authorities;
    this.#logger.info({ keyId: opened.ring.keyId, ca: platform.fingerprint }, 'certificates are served');
  }

  ready(): Readiness {
    return readyWhen({ bus: !this.#parts.bus.connected, certificates: this.#authorities === null });
  }

  status(): unknown {
    return {
      keyId: this.#ring?.keyId ?? null,
      keyRotation: this.#rotation?.progress ?? null,
      issued: this.#issuedCount,
      authorities: Object.values(this.#authorities ?? {}).map(({ name, fingerprint, notAfter }) => ({
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
    clearInterval(this.#sweepTimer);
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#authorities = null;
    const [feed, usage] = [this.#feed, this.#usage];
    this.#feed = null;
    this.#usage = null;
    await Promise.all([feed?.stop(), usage?.stop(), this.#rotation?.stop()]);
  }

  /** Null when it was stopped while the store was out of reach. */
  async #open(): Promise<Opened | null> {
    const { bus, store, options } = this.#parts;
    const onError = (error: unknown): void =>
      this.#logger.warn({ error }, 'what others follow could not be read');
    const open = async (): Promise<Opened> => {
      const ring = (this.#ring ??= await openRing(options));
      const { signal } = this.#stopped;
      const onProgress = (progress: object): void =>
        this.#logger.info(progress, 'brought documents up to date');
      const collections = await ownedCollections(store);
      await migrate(store, { room: 'certstore', collections, signal, onProgress });
      await checkKey(store, ring);
      const issued = await IssuedList.open(store, options.issuedMax ?? 10_000);
      const documents = await openDocuments(store);
      const source = certificateSource(documents);
      const onRestored = (): void => this.#handleRestored();
      // Before what it tells of is loaded: a restore between the two would not be noticed, and the former CAs stay.
      const feed = await FeedOwner.open({ feed: certificateFeed, store, bus, source, onError, onRestored });
      try {
        const intake = await IntakeKey.open(documents, ring);
        const authorities = await openAuthorities(store, ring);
        return { ring, issued, authorities, documents, intake, feed };
      } catch (error) {
        await feed.stop();
        throw error;
      }
    };
    try {
      const opened = await untilReachable(() => readingSecrets(open), {
        signal: this.#stopped.signal,
        onRetry: (error) => this.#logger.warn({ error }, 'the documents are out of reach; trying again'),
      });
      if (opened !== null) {
        this.#authorities = opened.authorities;
        this.#feed = opened.feed;
      }
      return opened;
    } catch (error) {
      throw keyExitOf(error);
    }
  }

  #issuerParts(authorities: Authorities, issued: IssuedList): ConstructorParameters<typeof Issuer>[0] {
    const { options, now = () => new Date() } = this.#parts;
    const policy = namePolicy(this.#nameOptions());
    return { authorities, issued, policy, now, certificateDays: options.certificateDays ?? 30 };
  }

  #nameOptions(): NamePolicyOptions {
    const { platformHost, certificateNames = [], certificateAddresses = [] } = this.#parts.options;
    return { platformHost, names: certificateNames, addresses: certificateAddresses };
  }

  #serve(issuer: Issuer, feed: FeedOwner): void {
    const bus = feed.attendance;
    const onError = (error: unknown): void =>
      this.#logger.error({ error }, 'a question could not be answered');
    const options = { queue, onError };
    this.#subscriptions = [
      answer(bus, getCa, () => this.#ca(feed), options),
      answer(
        bus,
        issueServerCertificate,
        (o) => this.#watch('platform', o.holder.name, () => issuer.issueServer(o), feed),
        options,
      ),
      answer(
        bus,
        issueNodeCertificate,
        (o) => this.#watch('cluster', o.holder.name, () => issuer.issueNode(o), feed),
        options,
      ),
    ];
  }

  async #serveCertificates({ ring, authorities, documents, intake, feed }: Opened): Promise<void> {
    const { bus, store, options, now = () => new Date() } = this.#parts;
    const wrapper = ring;
    const rotation = this.#makeRotation(ring);
    const usage = new Usage(bus, (error) =>
      this.#logger.debug({ error }, 'the router did not give its routes'),
    );
    usage.start();
    this.#usage = usage;
    const certificatesMax = options.certificatesMax ?? 2_000;
    const passwords = new Passwords({ documents, usage, intake, wrapper, now });
    this.#passwords = passwords;
    const certificates = new Certificates({
      bus,
      store,
      documents,
      feed,
      usage,
      intake,
      wrapper,
      now,
      certificatesMax,
      passwords,
    });
    this.#expiry = new ExpiryWatch({ bus, store, documents, usage, logger: this.#logger, now });
    const signer = new MaterialSigner(authorities);
    const sessionTickets = new SessionTickets({ documents, wrapper, now });
    const materials = new Materials({
      certificates,
      passwords,
      sessionTickets,
      usage,
      authorities,
      signer,
      now,
    });
    const pairs = new PairGenerator({
      bus,
      certificates,
      platform: authorities.platform,
      clientAuthority: clientAuthorities(store, wrapper),
      names: platformNames(this.#nameOptions()),
      now,
    });
    const answering = { bus: feed.attendance, queue, logger: this.#logger, metrics: this.#metrics };
    const serve = answererOf(answering);
    this.#subscriptions.push(
      ...answerQuestions(serve, { certificates, materials, passwords, intake, pairs, rotation }),
    );
    const backup = {
      bus,
      store,
      source: await backupSource(store, ring, feed),
      serve,
      onError: (error: unknown) => this.#logger.warn({ error }, 'a piece of a backup could not be read'),
    };
    this.#subscriptions.push(...(await serveBackup(backup)));
  }

  #makeRotation(ring: KeyRing): Rotation {
    const rotation = new Rotation({
      store: this.#parts.store,
      ring,
      onProgress: (progress) => this.#logger.info(progress, 'secrets were sealed under the newest key'),
      onError: (error) => this.#logger.warn({ error }, 'a secret could not be sealed under the newest key'),
    });
    this.#rotation = rotation;
    rotation
      .resume()
      .catch((error: unknown) =>
        this.#logger.warn({ error }, 'secrets under older keys could not be counted'),
      );
    return rotation;
  }

  async #ca(feed: FeedOwner): Promise<{ pem: string; fingerprint: string; notAfter: string }> {
    const platform = this.#authorities?.platform;
    if (platform === undefined || !(await feed.isCurrent())) throw restored();
    return {
      pem: platform.certificatePem,
      fingerprint: platform.fingerprint,
      notAfter: platform.notAfter.toISOString(),
    };
  }

  async #watch<T extends { fingerprint: string; notAfter: string }>(
    authority: AuthorityName,
    holder: string,
    issue: () => Promise<T>,
    feed: FeedOwner,
  ): Promise<T> {
    try {
      if (!(await feed.isCurrent())) throw restored();
      const { fingerprint, notAfter, ...rest } = await issue();
      this.#metrics.issued(authority);
      this.#logger.info({ authority, holder, fingerprint, notAfter }, 'a certificate was issued');
      return { fingerprint, notAfter, ...rest } as T;
    } catch (error) {
      const { code, message } = ServiceError.from(error);
      this.#metrics.refused(code);
      this.#logger.warn({ authority, holder, code, reason: message }, 'a signing request was refused');
      throw error;
    }
  }

  async #sweep(issued: IssuedList): Promise<void> {
    const { now = () => new Date() } = this.#parts;
    const look = async (work: () => Promise<unknown> | undefined): Promise<void> => {
      try {
        await work();
      } catch (error) {
        this.#logger.warn({ error }, 'certificates could not be looked through');
      }
    };
    // Each by itself: passwords want the router, and what was issued does not.
    await look(() => this.#expiry?.look());
    await look(() => this.#passwords?.sweep());
    await look(async () => (this.#issuedCount = await issued.sweep(now())));
  }
}

/** Handlers of a promise: whether it was fulfilled. */
const isDone = [() => true, () => false] as const;

/** Nobody is given a certificate of a CA that is not this platform's any more. */
function restored(): Error {
  return certstoreError(
    'CERTSTORE_RESTORED',
    'the documents were restored a moment ago and are loaded anew: ask again',
  );
}
