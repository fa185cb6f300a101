/**
 * certstore: owns certificates and private keys. It opens the store, proves its key-encryption key, loads the CAs, and
 * only then answers on the bus; so nobody is ever given a certificate that the next start could not stand behind.
 * While the store is out of reach it waits and tries again; a wrong key ends the program.
 */
import type { Bus, Subscription } from '@postern/bus';
import {
  ServiceError,
  answer,
  certificateFeed,
  getCa,
  issueNodeCertificate,
  issueServerCertificate,
} from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import { untilReachable, type Store } from '@postern/store';
import { ExitCode, ExitError, Metrics, readyWhen, silentLogger } from '@postern/telemetry';
import type { Logger, Readiness, Service } from '@postern/telemetry';
import { openAuthorities, type Authorities, type AuthorityName } from './authority.ts';
import { Certificates, certificateSource } from './certificates.ts';
import { openDocuments, type Documents } from './document.ts';
import { IntakeKey } from './intake-key.ts';
import { IssuedList } from './issued.ts';
import { Issuer } from './issuer.ts';
import { checkKey } from './key-check.ts';
import { localKeyWrapper, type KeyWrapper } from './key-wrapper.ts';
import { MaterialSigner } from './material-signer.ts';
import { Materials } from './materials.ts';
import { certstoreMetrics, type CertstoreMetrics } from './metrics.ts';
import { namePolicy, type NamePolicyOptions } from './name-policy.ts';
import { answerQuestions } from './questions.ts';
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
export interface CertstoreOptions {
  /** 32 bytes, base64. */
  readonly keyEncryptionKey: string;
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
  readonly issued: IssuedList;
  readonly authorities: Authorities;
  readonly documents: Documents;
  readonly intake: IntakeKey;
  readonly feed: FeedOwner;
}

const queue = 'certstore';
const sweepIntervalMs = 3_600_000;

/** Makes the service. Throws `ExitError` (78) when the key-encryption key is not 32 bytes in base64. */
export function createCertstore(parts: CertstoreParts): Service {
  return new Certstore(parts);
}

/** The key-encryption key. Throws `ExitError` (78) unless it is 32 bytes in base64. */
export function readKeyEncryptionKey(base64: string): KeyWrapper {
  try {
    return localKeyWrapper(base64);
  } catch (error) {
    throw exitErrorOf(error);
  }
}

class Certstore implements Service {
  readonly name = 'certstore';
  readonly #parts: CertstoreParts;
  readonly #logger: Logger;
  readonly #metrics: CertstoreMetrics;
  readonly #wrapper: KeyWrapper;
  readonly #stopped = new AbortController();
  #authorities: Authorities | null = null;
  #subscriptions: Subscription[] = [];
  #sweepTimer: NodeJS.Timeout | undefined;
  #issuedCount: number | null = null;
  #feed: FeedOwner | null = null;
  #usage: Usage | null = null;

  constructor(parts: CertstoreParts) {
    this.#parts = parts;
    this.#logger = (parts.logger ?? silentLogger).child({ subsystem: 'certstore' });
    this.#metrics = certstoreMetrics(parts.metrics ?? new Metrics(), () => this.#authorities);
    this.#wrapper = readKeyEncryptionKey(parts.options.keyEncryptionKey);
  }

  async start(): Promise<void> {
    const opened = await this.#open();
    if (opened === null) return;
    const { issued, authorities } = opened;
    this.#serve(new Issuer(this.#issuerParts(authorities, issued)));
    this.#serveCertificates(opened);
    this.#sweepTimer = setInterval(() => void this.#sweep(issued), sweepIntervalMs).unref();
    await this.#sweep(issued);
    const { platform } = authorities;
    this.#logger.info({ keyId: this.#wrapper.keyId, ca: platform.fingerprint }, 'certificates are served');
  }

  ready(): Readiness {
    return readyWhen({ bus: !this.#parts.bus.connected, certificates: this.#authorities === null });
  }

  status(): unknown {
    return {
      keyId: this.#wrapper.keyId,
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
    clearInterval(this.#sweepTimer);
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#authorities = null;
    const [feed, usage] = [this.#feed, this.#usage];
    this.#feed = null;
    this.#usage = null;
    await Promise.all([feed?.stop(), usage?.stop()]);
  }

  /** Null when it was stopped while the store was out of reach. */
  async #open(): Promise<Opened | null> {
    const { bus, store, options } = this.#parts;
    const onError = (error: unknown): void =>
      this.#logger.warn({ error }, 'what others follow could not be read');
    const open = async (): Promise<Opened> => {
      await checkKey(store, this.#wrapper);
      const issued = await IssuedList.open(store, options.issuedMax ?? 10_000);
      const documents = await openDocuments(store);
      const intake = await IntakeKey.open(documents, this.#wrapper);
      const authorities = await openAuthorities(store, this.#wrapper);
      const source = certificateSource(documents);
      const feed = await FeedOwner.open({ feed: certificateFeed, store, bus, source, onError });
      return { issued, authorities, documents, intake, feed };
    };
    try {
      const opened = await untilReachable(open, {
        signal: this.#stopped.signal,
        onRetry: (error) => this.#logger.warn({ error }, 'the documents are out of reach; trying again'),
      });
      if (opened !== null) {
        this.#authorities = opened.authorities;
        this.#feed = opened.feed;
      }
      return opened;
    } catch (error) {
      throw exitErrorOf(error);
    }
  }

  #issuerParts(authorities: Authorities, issued: IssuedList): ConstructorParameters<typeof Issuer>[0] {
    const { options, now = () => new Date() } = this.#parts;
    const policy = namePolicy({
      platformHost: options.platformHost,
      names: options.certificateNames ?? [],
      addresses: options.certificateAddresses ?? [],
    });
    return { authorities, issued, policy, now, certificateDays: options.certificateDays ?? 30 };
  }

  #serve(issuer: Issuer): void {
    const { bus } = this.#parts;
    const onError = (error: unknown): void =>
      this.#logger.error({ error }, 'a question could not be answered');
    const options = { queue, onError };
    this.#subscriptions = [
      answer(bus, getCa, () => this.#ca(), options),
      answer(
        bus,
        issueServerCertificate,
        (o) => this.#watch('platform', o.holder.name, issuer.issueServer(o)),
        options,
      ),
      answer(
        bus,
        issueNodeCertificate,
        (o) => this.#watch('cluster', o.holder.name, issuer.issueNode(o)),
        options,
      ),
    ];
  }

  #serveCertificates({ authorities, documents, intake, feed }: Opened): void {
    const { bus, store, options, now = () => new Date() } = this.#parts;
    const wrapper = this.#wrapper;
    const usage = new Usage(bus, (error) =>
      this.#logger.debug({ error }, 'the router did not give its routes'),
    );
    usage.start();
    this.#usage = usage;
    const certificatesMax = options.certificatesMax ?? 2_000;
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
    });
    const signer = new MaterialSigner(authorities);
    const materials = new Materials({ certificates, usage, authorities, signer, now });
    const parts = { bus, logger: this.#logger, metrics: this.#metrics };
    this.#subscriptions.push(...answerQuestions(parts, { certificates, materials, intake }));
  }

  #ca(): { pem: string; fingerprint: string; notAfter: string } {
    const platform = this.#authorities?.platform;
    if (platform === undefined) throw new Error('stopped');
    return {
      pem: platform.certificatePem,
      fingerprint: platform.fingerprint,
      notAfter: platform.notAfter.toISOString(),
    };
  }

  async #watch<T extends { fingerprint: string; notAfter: string }>(
    authority: AuthorityName,
    holder: string,
    work: Promise<T>,
  ): Promise<T> {
    try {
      const { fingerprint, notAfter, ...rest } = await work;
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
    try {
      this.#issuedCount = await issued.sweep((this.#parts.now ?? (() => new Date()))());
    } catch (error) {
      this.#logger.warn({ error }, 'the list of issued certificates could not be swept');
    }
  }
}

/** A key that cannot be right is a matter of settings. */
function exitErrorOf(error: unknown): unknown {
  if (!(error instanceof ServiceError)) return error;
  const { code, message } = error.body;
  if (
    code !== 'CERTSTORE_KEY_INVALID' &&
    code !== 'CERTSTORE_KEY_WRONG' &&
    code !== 'CERTSTORE_SECRET_DAMAGED'
  ) {
    return error;
  }
  return new ExitError(ExitCode.configuration, `${code}: ${message}`, { cause: error });
}
