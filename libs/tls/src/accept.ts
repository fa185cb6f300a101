/**
 * '@postern/tls/accept': what a program needs that takes callers over TLS on sockets of its own. An entrance apart, as
 * '@postern/tls/connect' is, so that the client is spared the certificate library.
 */
export { CallerGone, TlsAcceptor, serverNameOf } from './acceptor.ts';
export {
  type CallerPlace,
  callerCertificateFault,
  callerHandshakeFault,
  subjectText,
} from './caller-fault.ts';
export { contextOptions } from './context.ts';
export { type RevocationListRead, readRevocationLists, readSignedLists } from './revocation-list.ts';
