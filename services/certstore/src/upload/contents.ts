/**
 * What was uploaded, judged and put in order: a leaf with its chain and perhaps its key, or a bundle of CAs. Everything
 * that would fail later, in somebody's handshake, is refused here with one sentence that says what is wrong and what
 * would be right. Nothing is trusted for having been uploaded; it only has to be whole.
 *
 *   files ─► certificates, keys ─► strength and dates of each ─► leaf ─► chain above it ─► usage
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { type CertificateKind, certificatePemCharactersMax } from '@postern/contracts';
import { describeCertificate, keyWeakness, signatureWeakness, strangerText } from '@postern/tls';
import { certstoreError } from '../errors.ts';
import type { UploadParts } from './upload.ts';

/** Contents that can be stored. */
export interface Contents {
  readonly kind: CertificateKind;
  readonly chainPem: string;
  /** PKCS #8, PEM. */
  readonly keyPem: string | null;
  readonly facts: {
    readonly subject: string;
    readonly san: string[];
    readonly issuer: string;
    readonly notBefore: string;
    readonly notAfter: string;
    readonly fingerprint: string;
    readonly key: string;
    readonly certificates: number;
  };
}

const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const anyUsage = '2.5.29.37.0';
/** With 8192 bits a signature takes about 40 ms, with 16384 a quarter of a second. */
const rsaBitsMax = 8192;
/** Clocks differ: a certificate that was made elsewhere a moment ago may begin in the future. */
const clockSkewMs = 5 * 60_000;

/** Judges and orders. `formerKey` is the key that stays when contents without one replace others. */
export function readContents(
  { certificates, keys }: UploadParts,
  now: Date,
  formerKey?: KeyObject,
): Contents {
  const distinct = distinctOf(certificates);
  const [key, ...otherKeys] = distinctKeys(keys);
  if (otherKeys.length > 0) {
    throw certstoreError(
      'CERTSTORE_KEYS_SEVERAL',
      `there are ${otherKeys.length + 1} private keys: upload each with its own certificate`,
    );
  }
  if (distinct.length === 0) {
    throw certstoreError(
      'CERTSTORE_CERTIFICATE_MISSING',
      key === undefined
        ? 'there is no certificate in what was uploaded'
        : 'there is a private key but no certificate',
    );
  }
  for (const certificate of distinct) demandSound(certificate, now);
  const contents =
    key === undefined && distinct.every(({ ca }) => ca)
      ? { chain: distinct, kind: 'ca' as const, keyPem: null }
      : pairOf(distinct, key, formerKey);
  return describe(contents);
}

function pairOf(
  certificates: X509Certificate[],
  key: KeyObject | undefined,
  formerKey: KeyObject | undefined,
): { chain: X509Certificate[]; kind: CertificateKind; keyPem: string | null } {
  const leaf = leafOf(certificates, key);
  const own = key ?? (formerKey !== undefined && leaf.checkPrivateKey(formerKey) ? formerKey : undefined);
  if (own !== undefined) demandQuickKey(own);
  const keyPem = own?.export({ format: 'pem', type: 'pkcs8' }).toString() ?? null;
  return { chain: chainOf(leaf, certificates), kind: kindOf(leaf), keyPem };
}

/** The certificate of the key; without a key, the one that is no CA. */
function leafOf(certificates: X509Certificate[], key: KeyObject | undefined): X509Certificate {
  if (key !== undefined) {
    const own = certificates.find((certificate) => certificate.checkPrivateKey(key));
    if (own !== undefined) return own;
    const others = certificates.filter(({ ca }) => !ca);
    throw certstoreError(
      'CERTSTORE_KEY_MISMATCH',
      `the private key is not that of ${subjectOf(others[0] ?? certificates[0])}: upload the key that it was made with`,
    );
  }
  const leaves = certificates.filter(({ ca }) => !ca);
  const [leaf, other] = leaves;
  if (leaf === undefined || other !== undefined) {
    throw certstoreError(
      'CERTSTORE_LEAVES_SEVERAL',
      `there are ${leaves.length} certificates that are no CA (${subjectOf(leaf)}, ${subjectOf(other)}): upload each by itself, with its chain`,
    );
  }
  return leaf;
}

/** The leaf and what signed it, upwards. What does not belong above the leaf is refused, not dropped. */
function chainOf(leaf: X509Certificate, certificates: X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  const left = new Set(certificates);
  left.delete(leaf);
  for (let current = leaf; left.size > 0;) {
    const signer = [...left].find((one) => isSignedBy(current, one));
    if (signer === undefined) break;
    if (!signer.ca) {
      throw certstoreError(
        'CERTSTORE_CHAIN_BROKEN',
        `${subjectOf(signer)} signed a certificate but is no CA`,
      );
    }
    chain.push(signer);
    left.delete(signer);
    current = signer;
  }
  const [stray] = left;
  if (stray === undefined) return chain;
  throw certstoreError('CERTSTORE_CHAIN_BROKEN', gapAbove(chain.at(-1) ?? leaf, stray, left));
}

/** Why nobody of those that are left continues the chain. */
function gapAbove(top: X509Certificate, stray: X509Certificate, left: Iterable<X509Certificate>): string {
  if (isSignedBy(top, top))
    return `the chain ends with ${subjectOf(top)}, and ${subjectOf(stray)} does not belong to it: leave that out`;
  const signed = `the chain has a gap: ${subjectOf(top)} was signed by ${issuerOf(top)}`;
  if ([...left].some(({ subject }) => subject === top.issuer))
    return `${signed}, and the certificate of that name that is there has another key: give the one that signed it`;
  return `${signed}, which is not there, and ${subjectOf(stray)} does not belong in between`;
}

/** Where the chain ends below an issuer that callers may not know; null when it is complete. */
export function openEnd(chainPem: string): { top: string; issuer: string } | null {
  const top = certificatesIn(chainPem).at(-1);
  if (top === undefined || top.checkIssued(top)) return null;
  if (isPublicIssuer(top)) return null;
  return { top: subjectOf(top), issuer: issuerOf(top) };
}

/** The certificates of stored contents, in their order. */
export function certificatesIn(chainPem: string): X509Certificate[] {
  const blocks = chainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

let publicSubjects: Set<string> | null = null;

function isPublicIssuer({ issuer }: X509Certificate): boolean {
  publicSubjects ??= new Set(rootCertificates.map((pem) => new X509Certificate(pem).subject));
  return publicSubjects.has(issuer);
}

function demandSound(certificate: X509Certificate, now: Date): void {
  const subject = subjectOf(certificate);
  demandStrongKey(certificate.publicKey, subject);
  const isRoot = certificate.ca && certificate.checkIssued(certificate);
  // A root's own signature proves nothing, so its kind does not matter.
  const weakness = isRoot ? null : signatureWeakness(certificate);
  if (weakness !== null) throw certstoreError('CERTSTORE_SIGNATURE_WEAK', `${subject} ${weakness}`);
  if (certificate.validToDate < now) {
    throw certstoreError('CERTSTORE_EXPIRED', `${subject} ended on ${certificate.validToDate.toISOString()}`);
  }
  if (certificate.validFromDate.getTime() > now.getTime() + clockSkewMs) {
    throw certstoreError(
      'CERTSTORE_NOT_YET_VALID',
      `${subject} is valid from ${certificate.validFromDate.toISOString()} only`,
    );
  }
}

function demandStrongKey(key: KeyObject, whose: string): void {
  const weakness = keyWeakness(key);
  if (weakness !== null) throw certstoreError('CERTSTORE_KEY_WEAK', `${whose} cannot be used: ${weakness}`);
}

/** Who shows the certificate signs with its key in each handshake, and does nothing else meanwhile. */
function demandQuickKey({ asymmetricKeyDetails: { modulusLength = 0 } = {} }: KeyObject): void {
  if (modulusLength <= rsaBitsMax) return;
  throw certstoreError(
    'CERTSTORE_TOO_LARGE',
    `the private key has ${modulusLength} bits, and each handshake would hold up all that the node does: use ECDSA P-256, or RSA of at most ${rsaBitsMax} bits`,
  );
}

function kindOf(leaf: X509Certificate): CertificateKind {
  // Node calls the extended key usage `keyUsage`.
  const usages: readonly string[] | undefined = leaf.keyUsage;
  if (usages === undefined || usages.includes(anyUsage)) return 'both';
  const isServer = usages.includes(serverAuth);
  const isClient = usages.includes(clientAuth);
  if (!isServer && !isClient) {
    throw certstoreError(
      'CERTSTORE_USAGE_WRONG',
      `${subjectOf(leaf)} is meant neither for TLS servers nor for TLS clients (extended key usage)`,
    );
  }
  return isServer && isClient ? 'both' : isServer ? 'server' : 'client';
}

function describe(contents: {
  chain: X509Certificate[];
  kind: CertificateKind;
  keyPem: string | null;
}): Contents {
  const { chain, kind, keyPem } = contents;
  const chainPem = chain.map((one) => `${one.toString().trimEnd()}\n`).join('');
  if (chainPem.length + (keyPem?.length ?? 0) > certificatePemCharactersMax) {
    throw certstoreError(
      'CERTSTORE_TOO_LARGE',
      `certificates and key have more than ${certificatePemCharactersMax} characters as PEM: leave out the CAs that are not needed`,
    );
  }
  const first = describeCertificate(chainPem);
  const ends = chain.map(({ validToDate }) => validToDate.getTime());
  return {
    kind,
    chainPem,
    keyPem,
    facts: {
      subject: strangerText(first.subject),
      san: [
        ...first.names.map((name) => `DNS:${strangerText(name)}`),
        ...first.addresses.map((address) => `IP:${address}`),
      ],
      issuer: strangerText(first.issuer),
      notBefore: first.notBefore.toISOString(),
      notAfter: new Date(Math.min(...ends)).toISOString(),
      fingerprint: first.fingerprint,
      key: first.key,
      certificates: chain.length,
    },
  };
}

function isSignedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  return certificate.checkIssued(signer) && certificate.verify(signer.publicKey);
}

function distinctOf(certificates: X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((one) => [one.fingerprint256, one])).values()];
}

function distinctKeys(keys: KeyObject[]): KeyObject[] {
  return keys.filter((key, index) => keys.findIndex((other) => other.equals(key)) === index);
}

/** Who signed a certificate, on one line. */
export function issuerOf(certificate: X509Certificate): string {
  const issuer = strangerText(certificate.issuer ?? '');
  return issuer === '' ? 'a CA without a name' : issuer;
}

/** Whom a certificate names, on one line. */
export function subjectOf(certificate: X509Certificate | undefined): string {
  const subject = certificate === undefined ? '' : strangerText(certificate.subject ?? '');
  return subject === '' ? 'a certificate without a subject' : subject;
}
