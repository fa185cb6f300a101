/**
 * Reads certificates: one as plain facts, a PEM file as its parts, and whether a chain leads to a CA. Texts are bounded,
 * what cannot be read is refused with a sentence; nothing here trusts a certificate because it could be parsed.
 */
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { isIP } from 'node:net';
import { TlsError } from './errors.ts';
import { describeKey, readPrivateKey } from './key.ts';
import { firstOf, splitChain } from './pem.ts';
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509Certificate } from './x509.ts';

/** What a certificate says. */
export interface CertificateDescription {
  /** `CN=edge-1, O=Postern`. */
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256, hexadecimal, lower case. */
  readonly fingerprint: string;
  /** `ECDSA P-256`. */
  readonly key: string;
  readonly isAuthority: boolean;
  readonly isSelfSigned: boolean;
  /** Whether this private key belongs to it. */
  isKeyedBy(keyPem: string): boolean;
}

/** The facts of one certificate, from PEM (its first) or DER. */
export function describeCertificate(certificate: string | Buffer): CertificateDescription {
  const { node, parsed } = readCertificate(certificate);
  const alternative = parsed.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  return {
    subject: oneLine(node.subject),
    issuer: oneLine(node.issuer),
    names: alternative.filter((name) => name.type === 'dns').map((name) => name.value),
    addresses: alternative.filter((name) => name.type === 'ip').map((name) => name.value),
    serial: node.serialNumber.toLowerCase(),
    notBefore: parsed.notBefore,
    notAfter: parsed.notAfter,
    fingerprint: node.fingerprint256.replaceAll(':', '').toLowerCase(),
    key: describeKey(node.publicKey),
    isAuthority: node.ca,
    isSelfSigned: node.checkIssued(node),
    isKeyedBy: (keyPem) => node.checkPrivateKey(readPrivateKey(keyPem)),
  };
}

/** What a chain is held against. */
export interface ChainOptions {
  /** The CA or CAs that may be its root, PEM. */
  caPem: string;
  /** A DNS name or address that the first certificate must have. */
  name?: string;
  usage?: 'server' | 'client';
  at?: Date;
}

const usageOids = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** Resolves to the facts of the first certificate when the chain (its first signed by its second, …) leads to a CA; else throws. */
export function verifyChain(chainPem: string, options: ChainOptions): CertificateDescription {
  const chain = splitChain(chainPem).map((pem) => readCertificate(pem));
  const roots = splitChain(options.caPem).map((pem) => readCertificate(pem));
  const [leaf] = chain;
  if (leaf === undefined) throw new TlsError('TLS_CHAIN_INVALID', 'the chain is empty');
  checkLeaf(leaf.node, options);
  walkToRoot(chain, roots, (options.at ?? new Date()).getTime());
  return describeCertificate(leaf.node.raw);
}

type Read = { node: NodeCertificate; parsed: X509Certificate };

function readCertificate(certificate: string | Buffer): Read {
  try {
    const node = new NodeCertificate(typeof certificate === 'string' ? firstOf(certificate) : certificate);
    return { node, parsed: new X509Certificate(new Uint8Array(node.raw)) };
  } catch (error) {
    throw new TlsError('TLS_CERTIFICATE_INVALID', 'this is not an X.509 certificate', { cause: error });
  }
}

function checkLeaf(leaf: NodeCertificate, { name, usage }: ChainOptions): void {
  const subject = oneLine(leaf.subject);
  if (usage !== undefined && !(leaf.keyUsage ?? [usageOids[usage]]).includes(usageOids[usage])) {
    throw new TlsError(
      'TLS_CHAIN_INVALID',
      `${subject} is not meant for a TLS ${usage} (extended key usage)`,
    );
  }
  if (name === undefined) return;
  const matches = isIP(name) === 0 ? leaf.checkHost(name, { subject: 'never' }) : leaf.checkIP(name);
  if (matches === undefined) {
    throw new TlsError(
      'TLS_NAME_MISMATCH',
      `the certificate is for ${leaf.subjectAltName ?? subject}, not for ${name}`,
    );
  }
}

function walkToRoot(chain: readonly Read[], roots: readonly Read[], at: number): void {
  for (const [depth, current] of chain.entries()) {
    checkDates(current.parsed, at);
    if (depth > 0) checkSigner(current, depth - 1);
    const root = roots.find(
      (one) => one.node.fingerprint256 === current.node.fingerprint256 || isSignedBy(current, one),
    );
    if (root !== undefined) {
      if (root.node.fingerprint256 === current.node.fingerprint256) return;
      checkDates(root.parsed, at);
      checkSigner(root, depth);
      return;
    }
    const next = chain[depth + 1];
    if (next === undefined || !isSignedBy(current, next)) {
      throw new TlsError(
        'TLS_ISSUER_UNKNOWN',
        `${oneLine(current.node.subject)} was signed by ${oneLine(current.node.issuer)}, which is neither a trusted CA nor next in the chain`,
      );
    }
  }
  throw new TlsError('TLS_ISSUER_UNKNOWN', 'the chain does not lead to a trusted CA');
}

function isSignedBy(certificate: Read, issuer: Read): boolean {
  return certificate.node.checkIssued(issuer.node) && certificate.node.verify(issuer.node.publicKey);
}

/** `below` is how many intermediates stand between the signer and the first certificate. */
function checkSigner(signer: Read, below: number): void {
  const constraints = signer.parsed.getExtension(BasicConstraintsExtension);
  const subject = oneLine(signer.node.subject);
  if (constraints === null || !constraints.ca) {
    throw new TlsError('TLS_CHAIN_INVALID', `${subject} signed a certificate but is no CA`);
  }
  if (constraints.pathLength !== undefined && below > constraints.pathLength) {
    throw new TlsError(
      'TLS_CHAIN_INVALID',
      `${subject} allows at most ${constraints.pathLength} CAs below it`,
    );
  }
}

function checkDates(certificate: X509Certificate, at: number): void {
  const subject = certificate.subject;
  if (at < certificate.notBefore.getTime()) {
    throw new TlsError(
      'TLS_NOT_YET_VALID',
      `${subject} is valid from ${certificate.notBefore.toISOString()} only`,
    );
  }
  if (at > certificate.notAfter.getTime()) {
    throw new TlsError('TLS_EXPIRED', `${subject} ended on ${certificate.notAfter.toISOString()}`);
  }
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
