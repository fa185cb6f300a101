/**
 * The certificate that the API is served with, from the platform's CA. The key is made here, lives in memory and never
 * leaves; certstore gets a signing request. At two thirds of its life the next one is asked for, with a new key, and
 * new handshakes take it. While certstore cannot be asked the old one serves on and the question is repeated.
 */
import { isIP } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bus } from '@postern/bus';
import { ask, certificateFeed, issueServerCertificate } from '@postern/contracts';
import { watchEpoch } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import { createSigningRequest, generateKey } from '@postern/tls';

/** A certificate with its key, PEM. */
export interface HeldCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly fingerprint: string;
  readonly notAfter: string;
  readonly renewAt: string;
}

/** Where it comes from and what it is good for. */
export interface CertificateOptions {
  readonly bus: Bus;
  readonly logger: Logger;
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  /** Called with each, the first too. */
  readonly onCertificate: (certificate: HeldCertificate) => void;
  /** Passes time; tests give their own. */
  readonly wait?: Wait;
}

/** Resolves after that time, or when the signal is aborted. */
export type Wait = (waitMs: number, signal: AbortSignal) => Promise<void>;

const retryMsMin = 250;
const retryMsMax = 30_000;
/** Timers take no more than 2^31 ms; a longer wait is taken in parts. */
const waitMsMax = 86_400_000;

/** Resolves when the first one is there, or the signal was aborted; renews it until then. */
export async function keepCertificate(options: CertificateOptions): Promise<void> {
  const first = await obtain(options);
  if (first !== null) void renew(options, first);
}

async function renew(options: CertificateOptions, first: HeldCertificate): Promise<void> {
  const { signal } = options;
  const restored = watchRestores(options);
  let current: HeldCertificate | null = first;
  while (current !== null) {
    const leftMs: number = Date.parse(current.renewAt) - Date.now();
    // One that is due at once, by a clock that is wrong, must not be asked for again and again.
    const waitMs = Math.min(Math.max(leftMs, retryMsMax), waitMsMax);
    const due = restored();
    if (!due.aborted) await (options.wait ?? pause)(waitMs, AbortSignal.any([signal, due]));
    if (signal.aborted) return;
    if (due.aborted || Date.parse(current.renewAt) <= Date.now()) current = await obtain(options);
  }
}

/** Each call gives the signal of the next restore: certstore's CA may be another then. */
function watchRestores({ bus, signal, logger }: CertificateOptions): () => AbortSignal {
  let next = new AbortController();
  const onError = (error: unknown): void =>
    logger.debug({ error }, 'certstore told something else than its position');
  const watch = watchEpoch(bus, certificateFeed, () => next.abort(), onError);
  signal.addEventListener('abort', () => watch.close(), { once: true });
  return () => {
    const { signal: due } = next;
    if (due.aborted) next = new AbortController();
    return due;
  };
}

async function obtain(options: CertificateOptions): Promise<HeldCertificate | null> {
  const { signal, logger } = options;
  let told = '';
  for (let delayMs = retryMsMin; !signal.aborted; delayMs = Math.min(delayMs * 2, retryMsMax)) {
    try {
      const certificate = await request(options);
      logger.info(
        { fingerprint: certificate.fingerprint, notAfter: certificate.notAfter },
        'a new certificate',
      );
      options.onCertificate(certificate);
      return certificate;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== told) logger.warn({ error }, 'certstore gave no certificate; asking again');
      told = reason;
      await (options.wait ?? pause)(delayMs, signal);
    }
  }
  return null;
}

async function request({ bus, names: all }: CertificateOptions): Promise<HeldCertificate> {
  const names = all.filter((name) => isIP(name) === 0);
  const addresses = all.filter((name) => isIP(name) !== 0);
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: 'admin', names, addresses });
  const holder = { kind: 'service', name: 'admin' } as const;
  const issued = await ask(bus, issueServerCertificate, { csrPem, names, addresses, holder });
  const { chainPem, fingerprint, notAfter, renewAt } = issued;
  return { chainPem, keyPem, fingerprint, notAfter, renewAt };
}

async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  await wait(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
}
