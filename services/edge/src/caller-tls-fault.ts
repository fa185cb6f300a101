/**
 * Why a caller's handshake with a front failed, as one sentence for the operator: what the caller did, and what would be
 * right. The verdict comes from OpenSSL's code; a stranger's text is never repeated.
 */

const callerDisbelieves =
  "the caller does not believe the front's certificate: it must trust the CA that signed it, and call the front by a name that is in it";

const faults: Readonly<Record<string, string>> = {
  ECONNRESET: 'the caller closed the connection in the TLS handshake',
  ERR_SSL_HTTP_REQUEST: 'this front speaks TLS, and plain HTTP came',
  ERR_SSL_WRONG_VERSION_NUMBER: 'this front speaks TLS, and something else came',
  ERR_SSL_UNSUPPORTED_PROTOCOL:
    'the caller speaks no version of TLS that is spoken here: TLS 1.2 or later is needed',
  ERR_SSL_VERSION_TOO_LOW:
    'the caller speaks no version of TLS that is spoken here: TLS 1.2 or later is needed',
  ERR_SSL_NO_SHARED_CIPHER:
    "the caller offers no cipher that is spoken here and goes with the kind of the front's key (RSA or ECDSA)",
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM:
    "the caller takes no signature of the kind that the front's key makes",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: callerDisbelieves,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: callerDisbelieves,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: callerDisbelieves,
  ERR_SSL_SSL_TLS_ALERT_BAD_CERTIFICATE: callerDisbelieves,
  ERR_SSL_SSL_TLS_ALERT_CERTIFICATE_UNKNOWN: callerDisbelieves,
  ERR_SSL_NO_APPLICATION_PROTOCOL:
    'the caller offers no protocol (ALPN) that this front speaks: h2 and http/1.1',
};

/** The sentence. `notAfter` is when the front's own certificate ends. */
export function describeHandshakeFault(error: Error & { code?: string }, notAfter: string): string {
  const code = error.code ?? '';
  if (Date.parse(notAfter) < Date.now() && (code.includes('ALERT') || code === 'ECONNRESET'))
    return `the front's certificate ended on ${notAfter}, and the caller went away: replace the certificate`;
  if (code.endsWith('CERTIFICATE_EXPIRED'))
    return "the caller says that a certificate in the front's chain has expired: replace it, or set the caller's clock";
  return faults[code] ?? `the TLS handshake with the caller failed (${code === '' ? 'no code' : code})`;
}
