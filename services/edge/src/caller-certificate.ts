/**
 * Whether a caller's certificate lets it in at a front with mutual TLS. OpenSSL has verified the chain by then, against
 * the client CAs and revocation lists of the destination; here its verdict is read, in plain words, and who it is is
 * held against the destination's patterns. Identity is the leaf's alone.
 *
 * Patterns are `kind:text`: `CN`, `O`, `OU` of the subject; `DNS`, `URI`, `EMAIL`, `IP` of the alternative names. `*`
 * stands for any characters, but in `DNS` for one label's only. One that matches is enough.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { certificateIdentity } from '@postern/tls';

const textLengthMax = 200;

/** Why it is not let in; null when it is. */
export function whyNotAllowed(socket: TLSSocket, patterns: readonly string[]): string | null {
  const certificate = socket.getPeerX509Certificate();
  // Node calls a resumed session without a certificate authorized; a front that asks for one does not.
  if (certificate === undefined) return 'the caller showed no certificate, and this front asks for one';
  const who = subjectOf(certificate);
  const fault = datesFault(certificate) ?? verdict(socket, certificate);
  if (fault !== null) return `the caller's certificate (${who}) ${fault}`;
  if (patterns.length === 0 || matchesOne(certificate, patterns)) return null;
  return `the caller's certificate (${who}) is valid, and none of the destination's clientNames matches it`;
}

function datesFault({ validFrom, validTo }: X509Certificate): string | null {
  if (Date.parse(validTo) < Date.now()) return `expired on ${iso(validTo)}: it must be renewed`;
  if (Date.parse(validFrom) > Date.now()) return `is valid from ${iso(validFrom)} only`;
  return null;
}

function verdict({ authorized, authorizationError }: TLSSocket, certificate: X509Certificate): string | null {
  if (authorized) return null;
  const issuer = cut(certificate.issuer);
  // OpenSSL says so only of one that is otherwise fit.
  if (certificate.checkIssued(certificate)) return 'is signed by itself, and is not one of the client CAs';
  switch (String(authorizationError)) {
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'CERT_UNTRUSTED':
      return `is signed by ${issuer}, which is not one of the client CAs, and leads to none`;
    case 'CERT_REVOKED':
      return `was revoked by ${issuer}`;
    case 'UNABLE_TO_GET_CRL':
      return `cannot be checked: there is no revocation list for every CA above it (it is signed by ${issuer})`;
    case 'CRL_HAS_EXPIRED':
      return `cannot be checked: the revocation list of a CA above it is past its next update (it is signed by ${issuer})`;
    case 'CRL_NOT_YET_VALID':
    case 'CRL_SIGNATURE_FAILURE':
      return `cannot be checked: the revocation list of a CA above it is not valid (it is signed by ${issuer})`;
    case 'CERT_HAS_EXPIRED':
      return 'is signed by a CA whose own certificate has expired';
    case 'INVALID_PURPOSE':
      return 'is not meant for TLS clients (extended key usage)';
    case 'CERT_SIGNATURE_FAILURE':
      return 'has a signature that is not its issuer’s';
    default:
      return `is not valid (${cut(String(authorizationError))})`;
  }
}

function matchesOne(certificate: X509Certificate, patterns: readonly string[]): boolean {
  const identity = certificateIdentity(certificate.raw);
  return patterns.some((pattern) => {
    const colon = pattern.indexOf(':');
    const kind = pattern.slice(0, colon).toUpperCase();
    const expression = expressionOf(pattern.slice(colon + 1), kind);
    return identity.some((name) => name.kind === kind && expression.test(name.text));
  });
}

function expressionOf(glob: string, kind: string): RegExp {
  const any = kind === 'DNS' ? '[^.]*' : '.*';
  const body = glob
    .split('*')
    .map((part) => RegExp.escape(part))
    .join(any);
  return new RegExp(`^${body}$`, kind === 'DNS' || kind === 'EMAIL' ? 'iu' : 'u');
}

function subjectOf({ subject }: X509Certificate): string {
  return subject === undefined || subject === '' ? 'without a subject' : cut(subject);
}

function iso(text: string): string {
  return new Date(text).toISOString();
}

/** A stranger's text in a message: on one line, bounded. */
function cut(text: string): string {
  return text
    .replaceAll('\n', ', ')
    .replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .slice(0, textLengthMax)
    .trim();
}
