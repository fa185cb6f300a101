/**
 * Reads a certificate as plain facts. What cannot be read is refused with a sentence; nothing here trusts a certificate
 * because it could be parsed.
 */
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { TlsError } from './errors.ts';
import { describeKey, readPrivateKey } from './key.ts';
import { firstOf } from './pem.ts';
import { SubjectAlternativeNameExtension, X509Certificate } from './x509.ts';

/** What a certificate says. */
export interface CertificateDescription {
  /** `CN=edge-1, O=Postern`; empty where only alternative names say whose it is. */
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

function readCertificate(certificate: string | Buffer): { node: NodeCertificate; parsed: X509Certificate } {
  try {
    const node = new NodeCertificate(typeof certificate === 'string' ? firstOf(certificate) : certificate);
    return { node, parsed: new X509Certificate(new Uint8Array(node.raw)) };
  } catch (error) {
    throw new TlsError('TLS_CERTIFICATE_INVALID', 'this is not an X.509 certificate', { cause: error });
  }
}

/** Node has none where the name is empty, whatever its types say. */
function oneLine(name: string | undefined): string {
  return name?.replaceAll('\n', ', ') ?? '';
}
