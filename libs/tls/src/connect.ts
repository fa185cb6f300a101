/**
 * Dials TLS so that a failure can be told in full: node destroys a socket whose peer it does not believe before anyone
 * can look at the certificate. So the handshake is let through, judged here before a byte of ours is written, and the
 * socket is handed out only when node itself calls it authorized.
 *
 * This file is an entrance of its own, '@postern/tls/connect': a program that only dials, such as the client, is spared
 * the certificate library (20 MB and a fifth of a second).
 */
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
  checkServerIdentity,
  connect,
} from 'node:tls';
import { contextOptions, type ContextOptions } from './context.ts';
import { TlsError } from './errors.ts';
import { type FailurePlace, describeTlsFailure } from './failure.ts';
import { boundKeyUpdates } from './key-updates.ts';

export { type ContextOptions, contextOptions } from './context.ts';
export { type TlsCode, TlsError } from './errors.ts';
export type { FailurePlace } from './failure.ts';
export { strangerText } from './stranger-text.ts';

/** Where to, whom to believe, and how long to wait. */
export interface ConnectOptions extends ContextOptions {
  host: string;
  port: number;
  /** The name to send and to verify; `host` where none is given. */
  serverName?: string;
  /** Ends the attempt: a deadline or a stop. */
  signal: AbortSignal;
  /** Further options of `tls.connect`: `socket` for a proxy's tunnel, `ALPNProtocols`, `lookup`, `localAddress`. */
  socket?: ConnectionOptions['socket'];
  ALPNProtocols?: string[];
  lookup?: ConnectionOptions['lookup'];
  /** A context that is there already, in place of the certificates above. */
  context?: SecureContext;
  /** False takes whatever certificate the peer shows; true unless given. */
  rejectUnauthorized?: boolean;
  /** How messages name the peer; made of host, port and name unless given. */
  place?: FailurePlace;
}

/** A connected socket whose peer is verified; rejects with TlsError, the socket's own error, or the signal's reason. */
export function connectTls(options: ConnectOptions): Promise<TLSSocket> {
  const { host, port, signal } = options;
  const serverName = options.serverName ?? host;
  const place = options.place ?? { peer: `${host}:${port}`, serverName };
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect(connectionOptions(options, serverName));
  const settle = (end: () => void): void => {
    signal.removeEventListener('abort', onAbort);
    socket.off('secureConnect', onSecure).off('error', onError).off('close', onClose);
    end();
  };
  const fail = (error: unknown): void =>
    settle(() => {
      // Whatever the dying socket still says has been told already.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    });
  const onSecure = (): void => {
    boundKeyUpdates(socket);
    if (socket.authorized || options.rejectUnauthorized === false) settle(() => resolve(socket));
    else fail(describeTlsFailure(socket.authorizationError, place, socket));
  };
  const onError = (error: NodeJS.ErrnoException): void =>
    fail(isCut(error) ? closedEarly(place, error) : (readTlsFailure(error, place) ?? error));
  const onClose = (): void => fail(closedEarly(place));
  const onAbort = (): void => fail(signal.reason);
  signal.addEventListener('abort', onAbort);
  socket.on('secureConnect', onSecure).on('error', onError).on('close', onClose);
  return promise;
}

/** What an error of a TLS connection means, also long after its handshake; null where it is no matter of TLS. */
export function readTlsFailure(error: unknown, place: FailurePlace): TlsError | null {
  return error instanceof Error && isTlsFailure(error) ? describeTlsFailure(error, place) : null;
}

/** The connection was there, and ended before TLS was; in order or not, node says ECONNRESET. */
function isCut({ code = '', syscall }: NodeJS.ErrnoException): boolean {
  return ['ECONNRESET', 'EPIPE'].includes(code) && syscall !== 'connect';
}

function closedEarly({ peer }: FailurePlace, cause?: Error): TlsError {
  const why = 'it may speak another protocol on this port, or something in between may cut TLS off';
  return new TlsError(
    'TLS_HANDSHAKE',
    `${peer} closed the connection in the TLS handshake: ${why}; check host and port`,
    { cause },
  );
}

function connectionOptions(options: ConnectOptions, serverName: string): ConnectionOptions {
  const { host, port, socket, ALPNProtocols, lookup, context } = options;
  return {
    ...(context === undefined ? contextOptions(options) : { secureContext: context }),
    ...(socket === undefined ? { port } : { socket }),
    ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
    ...(lookup === undefined ? {} : { lookup }),
    host,
    // RFC 6066 allows names only; an address is verified all the same.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    rejectUnauthorized: false,
  };
}

function isTlsFailure(error: Error & { code?: string }): boolean {
  if (error.code?.startsWith('ERR_SSL_') === true || error.code?.startsWith('ERR_TLS_') === true) return true;
  return error.code === 'EPROTO';
}
