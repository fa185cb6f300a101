/**
 * Turns what node and OpenSSL say about a failed handshake into one sentence that tells what was met and what would be
 * right. Anyone's certificate text is cut and printed as data; the verdict comes from the error, never from the text.
 */
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls';
import { type TlsCode, TlsError } from './errors.ts';
import { strangerText } from './stranger-text.ts';
import { chainWeakness } from './weakness.ts';

/** Whom the handshake was with, as messages name it. */
export interface FailurePlace {
  /** `host:port` or a name. */
  peer: string;
  /** The name that was verified, where it differs. */
  serverName?: string;
  /** The certificate that we showed, in words; null when none was. Left out where that is not known. */
  clientCertificate?: string | null;
}

const codes: Readonly<Record<string, TlsCode>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'TLS_ISSUER_UNKNOWN',
  SELF_SIGNED_CERT_IN_CHAIN: 'TLS_ISSUER_UNKNOWN',
  UNABLE_TO_GET_ISSUER_CERT: 'TLS_ISSUER_UNKNOWN',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'TLS_ISSUER_UNKNOWN',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'TLS_ISSUER_UNKNOWN',
  CERT_UNTRUSTED: 'TLS_ISSUER_UNKNOWN',
  CERT_HAS_EXPIRED: 'TLS_EXPIRED',
  CERT_NOT_YET_VALID: 'TLS_NOT_YET_VALID',
  ERR_TLS_CERT_ALTNAME_INVALID: 'TLS_NAME_MISMATCH',
  HOSTNAME_MISMATCH: 'TLS_NAME_MISMATCH',
  CERT_SIGNATURE_FAILURE: 'TLS_CHAIN_INVALID',
  CERT_CHAIN_TOO_LONG: 'TLS_CHAIN_INVALID',
  CERT_REVOKED: 'TLS_CHAIN_INVALID',
  INVALID_CA: 'TLS_CHAIN_INVALID',
  PATH_LENGTH_EXCEEDED: 'TLS_CHAIN_INVALID',
  INVALID_PURPOSE: 'TLS_CHAIN_INVALID',
  CERT_REJECTED: 'TLS_CHAIN_INVALID',
  ERR_SSL_WRONG_VERSION_NUMBER: 'TLS_NOT_TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'TLS_NOT_TLS',
  ERR_SSL_HTTP_REQUEST: 'TLS_NOT_TLS',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'TLS_NOT_TLS',
  ERR_SSL_RECORD_LAYER_FAILURE: 'TLS_NOT_TLS',
  ERR_SSL_UNEXPECTED_MESSAGE: 'TLS_NOT_TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'TLS_VERSION',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'TLS_VERSION',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'TLS_CLIENT_CERTIFICATE',
};

/** Alerts by which a peer refuses our certificate; OpenSSL's versions put different words before them. */
const refusals: Readonly<Record<string, string>> = {
  'certificate required': 'it wants one',
  'unknown ca': 'it does not know the CA that signed it',
  'bad certificate': 'it finds it bad: of another CA, or not good for clients',
  'certificate expired': 'it has expired',
  'certificate revoked': 'it was revoked',
  'certificate unknown': 'it does not accept it',
  'unsupported certificate': 'it is of a kind that it does not take, or not good for clients',
  'access denied': 'it has no access there',
};

/** The alert in an OpenSSL code, where it is one of `refusals`. */
function refusalOf(name: string): string | null {
  const alert = /_ALERT_([A-Z_]+)$/.exec(name)?.[1]?.toLowerCase().replaceAll('_', ' ');
  return alert !== undefined && alert in refusals ? alert : null;
}

/** What failed, as a TlsError; with the socket where the peer got so far as to show a certificate. */
export function describeTlsFailure(error: unknown, place: FailurePlace, socket?: TLSSocket): TlsError {
  const certificate = socket?.getPeerCertificate(true);
  const given = errorName(error);
  // OpenSSL says "self-signed" only of a certificate that is fit to serve; one with another fault signed itself no less.
  const name =
    codes[given] === 'TLS_CHAIN_INVALID' && isSelfSigned(certificate) ? 'DEPTH_ZERO_SELF_SIGNED_CERT' : given;
  const weakness = name === 'UNSPECIFIED' ? chainWeakness(socket?.getPeerX509Certificate()) : null;
  if (weakness !== null) {
    const text = `${place.peer} shows a certificate that is not believed any more: ${weakness}`;
    return new TlsError('TLS_CHAIN_INVALID', text, { cause: error });
  }
  const code = codes[name] ?? (refusalOf(name) === null ? 'TLS_HANDSHAKE' : 'TLS_CLIENT_CERTIFICATE');
  return new TlsError(code, describe(code, name, place, facts(certificate), error), { cause: error });
}

function isSelfSigned(certificate: PeerCertificate | null | undefined): boolean {
  if (certificate === null || certificate === undefined || !('issuerCertificate' in certificate))
    return false;
  return (
    (certificate as DetailedPeerCertificate).issuerCertificate?.fingerprint256 === certificate.fingerprint256
  );
}

interface Facts {
  subject: string;
  issuer: string;
  names: string;
  from: string;
  to: string;
}

function describe(code: TlsCode, name: string, place: FailurePlace, shown: Facts, error: unknown): string {
  const { peer, serverName = peer } = place;
  switch (code) {
    case 'TLS_ISSUER_UNKNOWN':
      return name === 'DEPTH_ZERO_SELF_SIGNED_CERT'
        ? `${peer} shows a certificate (${shown.subject}) that it signed itself: give that certificate or its CA as the CA to trust, if it is the right peer`
        : `${peer} shows a certificate (${shown.subject}) signed by ${shown.issuer}, which is not a trusted CA: a proxy that inspects TLS may be in between; let it pass this host untouched, or give the right CA to trust${alone(name, shown)}`;
    case 'TLS_NAME_MISMATCH':
      return `${peer} shows a certificate for ${shown.names}, not for ${serverName}: use one of its names, or give the peer a certificate with this one`;
    case 'TLS_EXPIRED':
      return `the certificate of ${peer} (${shown.subject}) ended on ${shown.to}: it must be renewed; is the clock here right?`;
    case 'TLS_NOT_YET_VALID':
      return `the certificate of ${peer} (${shown.subject}) is valid from ${shown.from} only: is the clock here right?`;
    case 'TLS_CHAIN_INVALID':
      return `the certificate chain of ${peer} (${shown.subject}, signed by ${shown.issuer}) is not valid: ${strangerText(messageOf(error))}`;
    case 'TLS_NOT_TLS':
      return `${peer} does not speak TLS on this port: it may be plain HTTP or another protocol; check host and port`;
    case 'TLS_VERSION':
      return `${peer} and this program share no TLS version: TLS 1.2 or later is needed, TLS 1.3 for tunnels`;
    case 'TLS_CLIENT_CERTIFICATE':
      return describeRefusal(name, place);
    case 'TLS_REQUEST_INVALID':
    case 'TLS_KEY_INVALID':
    case 'TLS_KEY_WEAK':
    case 'TLS_CERTIFICATE_INVALID':
    case 'TLS_SEAL_BROKEN':
    case 'TLS_HANDSHAKE':
      if (name.endsWith('_ALERT_HANDSHAKE_FAILURE') && place.clientCertificate === null) {
        return `${peer} refused the TLS handshake without a cause: it may want a client certificate, and none is given, or share no cipher with us`;
      }
      if (name.endsWith('_UNRECOGNIZED_NAME')) {
        return `${peer} serves nobody of the name ${serverName}, or wants one: give the server name by which it is called where it is`;
      }
      return `the TLS handshake with ${peer} failed: ${strangerText(messageOf(error))}`;
  }
}

/** OpenSSL's name where nothing came above the leaf: most often an intermediate is missing at the peer. */
function alone(name: string, { issuer }: Facts): string {
  if (name !== 'UNABLE_TO_VERIFY_LEAF_SIGNATURE') return '';
  return `; the peer sends its own certificate alone: where ${issuer} is an intermediate CA, have it sent too`;
}

function describeRefusal(name: string, { peer, clientCertificate: shown }: FailurePlace): string {
  const remedy = 'give one that a CA of its choice has signed, with its key';
  if (shown === undefined) return `${peer} asks for a client certificate and refused what it got: ${remedy}`;
  if (shown === null) return `${peer} asks for a client certificate, and none is given: ${remedy}`;
  const why = refusals[refusalOf(name) ?? ''] ?? 'it does not accept it';
  return `${peer} refused the client certificate (${strangerText(shown)}): ${why}; ${remedy}`;
}

/** OpenSSL's or node's code; of a plain text (as `authorizationError` has it) the text itself. */
function errorName(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return String(error.code);
}

/** OpenSSL's `reason` where there is one: its message has the places in its source beside that. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}

function facts(certificate: PeerCertificate | null | undefined): Facts {
  return {
    subject: nameOf(certificate?.subject) ?? 'with no subject',
    issuer: nameOf(certificate?.issuer) ?? 'an unknown issuer',
    names: strangerText(
      certificate?.subjectaltname?.replaceAll('DNS:', '').replaceAll('IP Address:', '') ?? 'other names',
    ),
    from: certificate?.valid_from ?? 'later',
    to: certificate?.valid_to ?? 'an earlier day',
  };
}

function nameOf(name: PeerCertificate['subject'] | undefined): string | null {
  if (name === undefined) return null;
  const parts = [name.CN, name.O].flat().filter((part) => typeof part === 'string' && part !== '');
  return parts.length === 0 ? null : strangerText(parts.join(', '));
}
