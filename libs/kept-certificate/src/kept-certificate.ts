/**
 * A certificate that this program shows, and keeps valid: on ports for callers and clients from the platform's CA, or on
 * links to other nodes its identity from the cluster's. The key is made here, lives in memory and never leaves; certstore
 * gets a signing request. At two thirds of its life the next one is asked for, with a new key; new handshakes take it, and
 * running connections do not notice. The same when certstore's documents were restored, and its CAs with them. When
 * certstore cannot be asked, or gives one that is not valid yet, the old one serves on, and the question is repeated.
 */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, BusError } from '@postern/bus';
import {
  ask,
  type CertificateHolder,
  certificateFeed,
  type IssuedCertificate,
  issueNodeCertificate,
  issueServerCertificate,
  nodeIdentityName,
} from '@postern/contracts';
import { watchEpoch } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import { createSigningRequest, generateKey } from '@postern/tls';

const retryDelayMsMin = 250;
/** While there is none, nothing else can go on; a renewal has days. */
const retryDelayMsMax = { first: 2_000, renewal: 30_000 };
/** Timers stand still with the machine, and do not hear of a clock that is set: a longer wait is taken in parts. */
const waitMsMax = 60_000;

/** A certificate with its key, PEM. */
export interface HeldCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
  /** The CA that signed it. */
  readonly caPem: string;
  readonly fingerprint: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly renewAt: string;
}

/** For whom it is, and what it is to be good for. */
export interface KeptCertificateOptions {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly holder: CertificateHolder;
  /** DNS names and IP addresses; null for the holder's identity, whose one name is certstore's to say. */
  readonly names: readonly string[] | null;
  /** Passes time; tests give their own. */
  readonly wait?: Wait | undefined;
}

/** Resolves after that time, or when the signal is aborted. */
export type Wait = (waitMs: number, signal: AbortSignal) => Promise<void>;

/** Keeps one valid certificate. */
export class KeptCertificate {
  readonly #options: KeptCertificateOptions;
  readonly #wait: Wait;
  readonly #users = new Set<(certificate: HeldCertificate) => void>();
  #current: HeldCertificate | null = null;
  #fault: string | null = null;
  /** Aborted when the CA may be another. */
  #restored = new AbortController();

  constructor(options: KeptCertificateOptions) {
    this.#options = options;
    this.#wait = options.wait ?? pause;
  }

  /** What is served now; null before the first. */
  get current(): HeldCertificate | null {
    return this.#current;
  }

  /** Why the last question brought nothing; null when it did. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Resolves with the first certificate; renews it until the signal is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    const { bus, logger } = this.#options;
    const watch = watchEpoch(
      bus,
      certificateFeed,
      () => this.#restored.abort(),
      (error) => logger.debug({ error }, 'certstore told something else than its position'),
    );
    signal.addEventListener('abort', () => watch.close(), { once: true });
    await this.#obtain(signal);
    void this.#renew(signal);
  }

  /** `apply` gets each certificate that comes from now on. */
  onRenewed(apply: (certificate: HeldCertificate) => void): void {
    this.#users.add(apply);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { signal: restored } = this.#restored;
      const leftMs = this.#leftMs();
      // One that is due as it comes, by a clock that is wrong, would be asked for again and again.
      const waitMs = leftMs > 0 ? Math.min(leftMs, waitMsMax) : retryDelayMsMax.renewal;
      if (!restored.aborted) await this.#wait(waitMs, AbortSignal.any([signal, restored]));
      if (restored.aborted) this.#restored = new AbortController();
      else if (this.#leftMs() > 0) continue;
      await this.#obtain(signal);
    }
  }

  #leftMs(): number {
    return this.#current === null || hasNotBegun(this.#current)
      ? 0
      : Date.parse(this.#current.renewAt) - Date.now();
  }

  async #obtain(signal: AbortSignal): Promise<void> {
    const longest = this.#current === null ? retryDelayMsMax.first : retryDelayMsMax.renewal;
    for (let delayMs = retryDelayMsMin; !signal.aborted; delayMs = Math.min(delayMs * 2, longest)) {
      try {
        this.#current = this.#better(await this.#ask());
        this.#fault = null;
        const { fingerprint, notAfter } = this.#current;
        this.#options.logger.info({ fingerprint, notAfter }, 'serving with a certificate from certstore');
        for (const apply of this.#users) apply(this.#current);
        return;
      } catch (error) {
        this.#note(error);
        await this.#wait(delayMs, signal);
      }
    }
  }

  /**
   * Where certstore's clock is ahead, or the one here behind, what comes is not valid yet. It takes no valid one's place, and
   * is better than none, since nobody here knows which clock is wrong.
   */
  #better(next: HeldCertificate): HeldCertificate {
    const former = this.#current;
    const keepsFormer = former !== null && !hasNotBegun(former) && Date.parse(former.notAfter) > Date.now();
    if (!hasNotBegun(next) || !keepsFormer) return next;
    throw new Error(
      `the certificate is valid from ${next.notBefore} only: certstore's clock is ahead, or the one here behind`,
    );
  }

  async #ask(): Promise<HeldCertificate> {
    const { bus, holder } = this.#options;
    const all = this.#options.names ?? [nodeIdentityName(holder)];
    const names = all.filter((name) => isIP(name) === 0);
    const addresses = all.filter((name) => isIP(name) !== 0);
    const keyPem = await generateKey();
    const csrPem = await createSigningRequest({ keyPem, commonName: holder.name, names, addresses });
    const issued =
      this.#options.names === null
        ? await askForIdentity(bus, csrPem, holder)
        : await ask(bus, issueServerCertificate, { csrPem, names, addresses, holder });
    const { chainPem, caPem, fingerprint, notBefore, notAfter, renewAt } = issued;
    return { chainPem, caPem, keyPem, fingerprint, notBefore, notAfter, renewAt };
  }

  #note(error: unknown): void {
    const fault = error instanceof Error ? error.message : String(error);
    // Said once, not at each try; that the owner is not there yet is usual at a start.
    if (fault !== this.#fault) {
      this.#options.logger.warn({ fault }, 'certstore gave no certificate; asking again');
      this.#options.logger.debug({ error }, 'certstore gave no certificate');
    }
    this.#fault = fault;
  }
}

/** At the node's own subject, which only it may ask at; certstore and NATS's rights of the version before do not know that. */
async function askForIdentity(
  bus: Bus,
  csrPem: string,
  holder: CertificateHolder,
): Promise<IssuedCertificate> {
  const question = { csrPem, holder };
  return ask(bus, issueNodeCertificate, question, { suffix: holder.name }).catch((error: unknown) => {
    const isUnknown = error instanceof BusError && ['BUS_NO_RESPONDER', 'BUS_DENIED'].includes(error.code);
    if (!isUnknown) throw error;
    return ask(bus, issueNodeCertificate, question);
  });
}

function hasNotBegun({ notBefore }: HeldCertificate): boolean {
  return Date.parse(notBefore) > Date.now();
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {});
}
