/**
 * Why a caller's handshake failed, or its certificate is not believed, as one sentence for the operator: what the caller
 * did, and what would be right. The verdict comes from OpenSSL's code; a stranger's text is cut and printed as data.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { strangerText } from './stranger-text.ts';
import { chainWeakness } from './weakness.ts';

/** Where callers come in, as operators call it. */
export type CallerPlace = 'front' | 'listener';

/** Why the handshake failed. `notAfter` is when the place's own certificate ends. */
export function callerHandshakeFault(
  error: Error & { code?: string },
  place: CallerPlace,
  notAfter: string,
): string {
  const code = error.code ?? '';
  if (Date.parse(notAfter) < Date.now() && (code.includes('ALERT') || code === 'ECONNRESET'))
    return `the ${place}'s certificate ended on ${notAfter}, and the caller went away: replace the certificate`;
  if (code.endsWith('CERTIFICATE_EXPIRED'))
    return `the caller says that a certificate in the ${place}'s chain has expired: replace it, or set the caller's clock`;
  return (
    faultOf(code, place) ?? `the TLS handshake with the caller failed (${code === '' ? 'no code' : code})`
  );
}

/** Why the caller's certificate does not do, of a place that asks for one; null when it does. Identity is the leaf's alone. */
export function callerCertificateFault(socket: TLSSocket, place: CallerPlace): string | null {
  const certificate = socket.getPeerX509Certificate();
  // Node calls a resumed session without a certificate authorized; a place that asks for one does not.
  if (certificate === undefined) return `the caller showed no certificate, and this ${place} asks for one`;
  const fault = datesFault(certificate) ?? verdict(socket, certificate);
  return fault === null ? null : `the caller's certificate (${subjectText(certificate)}) ${fault}`;
}

/** Whom a certificate names, on one line and bounded. */
export function subjectText({ subject }: X509Certificate): string {
  return subject === undefined || subject === '' ? 'without a subject' : strangerText(subject);
}

function faultOf(code: string, place: CallerPlace): string | null {
  switch (code) {
    case 'ECONNRESET':
      return `the caller closed the connection in the TLS handshake, as many do that do not believe the ${place}'s certificate`;
    case 'ERR_SSL_HTTP_REQUEST':
      return `this ${place} speaks TLS, and plain HTTP came`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return `this ${place} speaks TLS, and something else came`;
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_VERSION_TOO_LOW':
      return 'the caller speaks no version of TLS that is spoken here: TLS 1.2 or later is needed';
    case 'ERR_SSL_NO_SHARED_CIPHER':
      return `the caller offers no cipher that is spoken here and goes with the kind of the ${place}'s key (RSA or ECDSA)`;
    case 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM':
      return `the caller takes no signature of the kind that the ${place}'s key makes`;
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
    case 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN':
    case 'ERR_SSL_SSL_TLS_ALERT_BAD_CERTIFICATE':
    case 'ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_UNKNOWN':
      return `the caller does not believe the ${place}'s certificate: it must trust the CA that signed it, and call the ${place} by a name that is in it`;
    case 'ERR_SSL_NO_APPLICATION_PROTOCOL':
      return `the caller offers no protocol (ALPN) that this ${place} speaks: h2 and http/1.1`;
    default:
      return null;
  }
}

function datesFault({ validFrom, validTo }: X509Certificate): string | null {
  if (Date.parse(validTo) < Date.now()) return `expired on ${iso(validTo)}: it must be renewed`;
  if (Date.parse(validFrom) > Date.now()) return `is valid from ${iso(validFrom)} only`;
  return null;
}

/** Node has none where the name is empty, whatever its types say. */
function issuerText({ issuer = '' }: { readonly issuer?: string }): string {
  return strangerText(issuer);
}

function verdict({ authorized, authorizationError }: TLSSocket, certificate: X509Certificate): string | null {
  if (authorized) return null;
  const issuer = issuerText(certificate);
  // OpenSSL says so only of one that is otherwise fit.
  if (certificate.checkIssued(certificate)) return 'is signed by itself, and is not one of the client CAs';
  switch (String(authorizationError)) {
    // OpenSSL came as far as one of the client CAs, and not to a root.
    case 'UNABLE_TO_GET_ISSUER_CERT':
      return `leads to a client CA that is no root, and who signed that CA is not among the client CAs (it is signed by ${issuer}): add those above it, up to the root`;
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'CERT_UNTRUSTED':
      return `is signed by ${issuer}, which is not one of the client CAs, and leads to none: where that is an intermediate CA, the caller must send it too, or it must be added to them`;
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
      return "has a signature that is not its issuer's";
    default: {
      const weakness = chainWeakness(certificate);
      if (weakness !== null) return `is not believed any more: ${weakness}`;
      return `is not valid (${strangerText(String(authorizationError))})`;
    }
  }
}

function iso(text: string): string {
  return new Date(text).toISOString();
}
