/**
 * A certificate authority: makes its own certificate and signs those of others. It signs end entities only (path length
 * 0), with the key usages that openssl, curl, browsers and Java ask for. It decides nothing: whose request it is and
 * which names they may have is the caller's business.
 */
import { randomBytes, type webcrypto } from 'node:crypto';
import { describeCertificate } from './certificate.ts';
import { TlsError } from './errors.ts';
import { generateKey, readSigningPair } from './key.ts';
import { type Names, alternativeNames, subjectOf } from './name.ts';
import { readSigningRequest } from './request.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from './x509.ts';

const dayMs = 86_400_000;
/** Clocks differ: a certificate is valid a little before it was made. */
const clockSkewMs = 3_600_000;
const authorityDaysDefault = 3650;

/** A certificate with its private key, both PEM. */
export interface KeyAndCertificate {
  keyPem: string;
  certificatePem: string;
}

/** What a certificate is for. `both` is for nodes that call and are called. */
export type CertificateUsage = 'server' | 'client' | 'both';

/** One part of a subject. */
export interface SubjectAttribute {
  readonly type: 'CN' | 'O' | 'OU' | 'C' | 'L' | 'ST';
  readonly value: string;
}

/** What to sign. */
export interface IssueRequest extends Names {
  /** A PKCS #10 request in PEM; only its key is taken, its names are the caller's to judge. */
  csrPem: string;
  /** The subject; the first name or address where none is given. */
  commonName?: string;
  /** The whole subject, in its order, where it is more than the common name. */
  attributes?: readonly SubjectAttribute[];
  usage: CertificateUsage;
  /** When it ends; never later than the authority itself. */
  notAfter: Date;
  /** When it begins; a few minutes ago where none is given. */
  notBefore?: Date;
}

/** A loaded authority. */
export interface Authority {
  readonly certificatePem: string;
  readonly notAfter: Date;
  /** A new certificate in PEM. */
  issue(request: IssueRequest): Promise<string>;
}

/** A new authority with a new key. */
export async function createAuthority(options: {
  commonName: string;
  days?: number;
}): Promise<KeyAndCertificate> {
  const keyPem = await generateKey();
  const { keys, algorithm } = readSigningPair(keyPem);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: subjectOf(options.commonName),
    notBefore: wholeSeconds(Date.now() - clockSkewMs),
    notAfter: wholeSeconds(Date.now() + (options.days ?? authorityDaysDefault) * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keyPem, certificatePem: pemOf(certificate) };
}

/** Reads an authority; the key must be the certificate's, and the certificate one that may sign. */
export function loadAuthority({ keyPem, certificatePem }: KeyAndCertificate): Authority {
  const { keys, algorithm } = readSigningPair(keyPem);
  const description = describeCertificate(certificatePem);
  if (!description.isAuthority) {
    throw new TlsError(
      'TLS_CERTIFICATE_INVALID',
      `${description.subject} may not sign certificates: it is no CA`,
    );
  }
  if (!description.isKeyedBy(keyPem)) {
    throw new TlsError('TLS_KEY_INVALID', `this is not the private key of ${description.subject}`);
  }
  const certificate = new X509Certificate(certificatePem);
  return {
    certificatePem,
    notAfter: certificate.notAfter,
    issue: (request) => issue(certificate, keys.privateKey, algorithm, request),
  };
}

async function issue(
  authority: X509Certificate,
  signingKey: webcrypto.CryptoKey,
  signingAlgorithm: { name: string; hash?: string },
  request: IssueRequest,
): Promise<string> {
  const { publicKey } = await readSigningRequest(request.csrPem);
  const commonName = request.commonName ?? request.names?.[0] ?? request.addresses?.[0];
  if (commonName === undefined) throw new TlsError('TLS_REQUEST_INVALID', 'a certificate needs a name');
  const alternative = alternativeNames(request);
  const notAfter = wholeSeconds(Math.min(request.notAfter.getTime(), authority.notAfter.getTime()));
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: request.attributes?.map(({ type, value }) => ({ [type]: [value] })) ?? subjectOf(commonName),
    issuer: authority.subjectName.toJSON(),
    notBefore: wholeSeconds(request.notBefore?.getTime() ?? Date.now() - clockSkewMs),
    notAfter,
    publicKey,
    signingKey,
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      keyUsages(request.usage),
      new ExtendedKeyUsageExtension(extendedUsages(request.usage)),
      ...(alternative === null ? [] : [alternative]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await authorityKeyIdentifier(authority),
    ],
  });
  return pemOf(certificate);
}

/** What is sealed for a node is sealed to the key in its certificate, so that must be meant for it. */
function keyUsages(usage: CertificateUsage): KeyUsagesExtension {
  if (usage !== 'both') return new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true);
  return new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement, true);
}

function extendedUsages(usage: CertificateUsage): ExtendedKeyUsage[] {
  switch (usage) {
    case 'server':
      return [ExtendedKeyUsage.serverAuth];
    case 'client':
      return [ExtendedKeyUsage.clientAuth];
    case 'both':
      return [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth];
  }
}

/** The identifier that the authority's own certificate carries, so that verifiers find it by that. */
async function authorityKeyIdentifier(authority: X509Certificate): Promise<AuthorityKeyIdentifierExtension> {
  const own = authority.getExtension(SubjectKeyIdentifierExtension);
  return own === null
    ? AuthorityKeyIdentifierExtension.create(authority.publicKey)
    : new AuthorityKeyIdentifierExtension(own.keyId);
}

/** 127 random bits, positive and of full length. */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

function wholeSeconds(timeMs: number): Date {
  return new Date(Math.floor(timeMs / 1000) * 1000);
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}
