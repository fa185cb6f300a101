/**
 * A TCP connection to a host, straight or through a proxy: HTTP CONNECT (in plain or over TLS) or SOCKS5, each with
 * credentials. Names are resolved by the proxy, so a client without DNS of its own can use one. What comes out is a
 * socket on which nothing of ours has been written; TLS to the host itself goes on top and verifies the host.
 */
import { type IncomingMessage, request } from 'node:http';
import { type Socket, connect, isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { TlsError, connectTls, strangerText } from '@postern/tls/connect';
import { SocksClient } from 'socks';
import { errorText, signInFault, socksReason, systemCode } from '@postern/dial';
import { ClientError } from '../errors.ts';
import type { Lookup } from '@postern/dial';
import { type Proxy, proxyText } from './proxy-choice.ts';
import { retryAfterMs } from './retry-after.ts';

const answerHeaderBytesMax = 16 * 1024;

/** Where to, and how. */
export interface SocketRequest {
  readonly host: string;
  readonly port: number;
  readonly proxy: Proxy | null;
  readonly lookup: Lookup;
  /** CAs to believe beside the usual ones, for a proxy that is reached over TLS. */
  readonly caPem: string | null;
  readonly signal: AbortSignal;
}

/**
 * A connected socket; rejects with ClientError, or the signal's reason. Where the signal is a deadline's, and it was not
 * the host that kept us waiting but its name or a proxy, it is a ClientError that says so.
 */
export async function openSocket(to: SocketRequest): Promise<Socket> {
  const { host, port, proxy, signal } = to;
  if (proxy === null) return openTcp(host, port, to);
  const socket = await openProxy(proxy, to);
  try {
    return await (proxy.kind === 'socks5' ? throughSocks : throughConnect)(socket, proxy, to);
  } catch (error) {
    socket.destroy();
    if (isLate(signal)) throw proxyFailure(proxy, `it did not connect to ${host}:${port} in time`, error);
    signal.throwIfAborted();
    throw error;
  }
}

/** A plain connection to one host, all its addresses tried in turn. */
export async function openTcp(
  host: string,
  port: number,
  options: Pick<SocketRequest, 'lookup' | 'signal'>,
): Promise<Socket> {
  options.signal.throwIfAborted();
  const socket = connect({ host, port, noDelay: true, keepAlive: true, lookup: options.lookup });
  let isNameSought = isIP(host) === 0;
  socket.once('lookup', () => (isNameSought = false));
  try {
    await connected(socket, options.signal);
    return socket;
  } catch (error) {
    socket.on('error', () => {}).destroy();
    const isNameLate = isNameSought && isLate(options.signal);
    if (!isNameLate) options.signal.throwIfAborted();
    throw new ClientError(
      'CLIENT_CONNECTION_FAILED',
      `${host}:${port} cannot be reached: ${isNameLate ? unresolved : plainCause(error)}`,
      { cause: error },
    );
  }
}

/** Whether it was a deadline that ended it, and not somebody who wants it no more. */
export function isLate({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof Error && reason.name === 'TimeoutError';
}

function connected(socket: Socket, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  socket.once('connect', resolve).once('error', reject);
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
    socket.off('connect', resolve).off('error', reject);
  });
}

async function openProxy(proxy: Proxy, to: SocketRequest): Promise<Socket> {
  try {
    if (proxy.kind !== 'https') return await openTcp(proxy.host, proxy.port, to);
    const caPem = [...getCACertificates('default'), ...(to.caPem === null ? [] : [to.caPem])].join('\n');
    return await connectTls({
      host: proxy.host,
      port: proxy.port,
      lookup: to.lookup,
      caPem,
      signal: to.signal,
    });
  } catch (error) {
    if (error instanceof TlsError) throw error;
    if (!isLate(to.signal)) to.signal.throwIfAborted();
    const why = error === to.signal.reason ? 'it gave no answer in time' : errorText(error);
    throw proxyFailure(proxy, why, error);
  }
}

function proxyFailure(proxy: Proxy, why: string, cause: unknown): ClientError {
  return new ClientError('CLIENT_PROXY_FAILED', `the proxy ${proxyText(proxy)} cannot be used: ${why}`, {
    cause,
  });
}

async function throughSocks(socket: Socket, proxy: Proxy, to: SocketRequest): Promise<Socket> {
  const onAbort = (): void => void socket.destroy();
  to.signal.addEventListener('abort', onAbort);
  try {
    const { credentials } = proxy;
    const established = await SocksClient.createConnection({
      command: 'connect',
      existing_socket: socket,
      destination: { host: to.host, port: to.port },
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: 5,
        ...(credentials === null ? {} : { userId: credentials.user, password: credentials.password }),
      },
    });
    return established.socket;
  } catch (error) {
    const said = errorText(error);
    const missing = signInFault(said, proxy.credentials !== null);
    if (missing !== null) {
      throw new ClientError('CLIENT_PROXY_CREDENTIALS', `the proxy ${proxyText(proxy)} ${missing}`, {
        cause: error,
      });
    }
    const code = /authenticat/i.test(said) ? 'CLIENT_PROXY_CREDENTIALS' : 'CLIENT_PROXY_REFUSED';
    throw new ClientError(
      code,
      `the proxy ${proxyText(proxy)} did not connect to ${to.host}:${to.port}: ${socksReason(said)}`,
      { cause: error },
    );
  } finally {
    to.signal.removeEventListener('abort', onAbort);
  }
}

/** RFC 9110, 9.3.6. Node's own HTTP parser reads the answer. */
function throughConnect(socket: Socket, proxy: Proxy, to: SocketRequest): Promise<Socket> {
  const authority = `${isIP(to.host) === 6 ? `[${to.host}]` : to.host}:${to.port}`;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const ask = request({
    method: 'CONNECT',
    path: authority,
    createConnection: () => socket,
    maxHeaderSize: answerHeaderBytesMax,
    signal: to.signal,
    headers: { host: authority, ...credentialsHeader(proxy) },
  });
  ask.on('connect', (answer, _socket, head) => {
    const status = answer.statusCode ?? 0;
    if (status < 200 || status > 299) return reject(refusal(proxy, authority, status, answer.headers));
    if (head.length > 0) socket.unshift(head);
    resolve(socket);
  });
  ask.on('error', (error) => {
    const why = systemCode(error)?.startsWith('HPE_') ? notHttp : cutOff(error);
    const message = `the proxy ${proxyText(proxy)} gave no answer to CONNECT ${authority}: ${why}`;
    reject(new ClientError('CLIENT_PROXY_FAILED', message, { cause: error }));
  });
  ask.end();
  return promise;
}

function credentialsHeader({ credentials }: Proxy): Record<string, string> {
  if (credentials === null) return {};
  const encoded = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  return { 'proxy-authorization': `Basic ${encoded}` };
}

const notHttp =
  'it speaks no HTTP on this port; check host and port, and whether it is a SOCKS5 proxy (socks5://HOST:PORT)';

function cutOff(error: Error): string {
  return systemCode(error) === 'ECONNRESET' ? 'it closed the connection' : errorText(error);
}

function refusal(
  proxy: Proxy,
  authority: string,
  status: number,
  headers: IncomingMessage['headers'],
): ClientError {
  if (status === 407) {
    const why = credentialsFault(proxy, headers['proxy-authenticate']);
    return new ClientError('CLIENT_PROXY_CREDENTIALS', `the proxy ${proxyText(proxy)} ${why} (407)`, {
      status,
    });
  }
  return new ClientError(
    'CLIENT_PROXY_REFUSED',
    `the proxy ${proxyText(proxy)} refused to connect to ${authority} (${status})${hint(status)}`,
    {
      status,
      retryAfterMs: retryAfterMs(headers['retry-after'], Date.now()),
    },
  );
}

/** `challenge` is the proxy's `Proxy-Authenticate`: which ways to sign in it takes (RFC 9110, 11.7.1). */
function credentialsFault({ credentials }: Proxy, challenge: string | string[] = 'Basic'): string {
  const schemes = [...String(challenge).matchAll(/(?:^|,)\s*([\w-]+)(?=\s|,|$)/g)].map(
    ([, name = '']) => name,
  );
  if (!schemes.some((name) => name.toLowerCase() === 'basic')) {
    const named = strangerText([...new Set(schemes)].join(', ')) || 'no way that it names';
    return `wants to be signed in to by ${named}, and Basic alone is spoken here: let it take Basic or this host without, or give a proxy here that signs in for others`;
  }
  if (credentials !== null) return 'wants other credentials';
  return 'wants credentials, and there are none: give USER:PASSWORD@ before its host';
}

/** What most proxies mean by it. */
function hint(status: number): string {
  if (status === 403) return ': its rules may not allow this host or port';
  if (status >= 502 && status <= 504) return ': it may not resolve or reach this host';
  return '';
}

const unresolved = 'its name cannot be resolved here (add it by --hosts NAME=ADDRESS, or mend DNS)';

function plainCause(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unresolved;
    case 'EMFILE':
    case 'ENFILE':
      return 'this program may have no more files open (raise its limit: ulimit -n, LimitNOFILE)';
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'ETIMEDOUT':
      return 'there was no answer in time (a firewall may be in between)';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    default:
      return errorText(error);
  }
}
