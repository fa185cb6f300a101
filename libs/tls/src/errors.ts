/** The codes of this lib; docs/ERRORS.md has a row for each. */
export type TlsCode =
  | 'TLS_REQUEST_INVALID'
  | 'TLS_KEY_INVALID'
  | 'TLS_KEY_WEAK'
  | 'TLS_CERTIFICATE_INVALID'
  | 'TLS_CHAIN_INVALID'
  | 'TLS_ISSUER_UNKNOWN'
  | 'TLS_NAME_MISMATCH'
  | 'TLS_EXPIRED'
  | 'TLS_NOT_YET_VALID'
  | 'TLS_NOT_TLS'
  | 'TLS_VERSION'
  | 'TLS_CLIENT_CERTIFICATE'
  | 'TLS_SEAL_BROKEN'
  | 'TLS_HANDSHAKE';

/** What is wrong with a key, a certificate or a handshake, as one sentence that says what would be right. */
export class TlsError extends Error {
  readonly code: TlsCode;

  constructor(code: TlsCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TlsError';
    this.code = code;
  }
}
