/** One request over a connection that stands: whether an HTTP server answers there, and with what. */
import { request } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ResetCode } from '@postern/tunnel';
import { errorText } from './error-text.ts';
import { ResourceError } from './resource-error.ts';

const headerBytesMax = 64 * 1024;

/** The status of the answer to a GET; the body is not read. Rejects with ResourceError, or the signal's reason. */
export function askHttp(
  socket: Socket,
  { host, port, path }: { host: string; port: number; path: string },
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const ask = request({
    method: 'GET',
    path,
    createConnection: () => socket,
    maxHeaderSize: headerBytesMax,
    signal,
    headers: { host: authority, 'user-agent': 'postern', accept: '*/*', connection: 'close' },
  });
  ask.on('response', (answer) => {
    resolve(answer.statusCode ?? 0);
    answer.on('error', () => {}).destroy();
  });
  ask.on('error', (error) => {
    if (signal.aborted) reject(signal.reason);
    else {
      const text = describe(error, socket instanceof TLSSocket);
      reject(new ResourceError(ResetCode.Refused, `${authority} ${text}`, { cause: error }));
    }
  });
  // An answer that changes the protocol makes Node close the connection without a word, and heed no signal any more.
  ask.on('close', () => {
    const text = `${authority} gave no answer that could be asked for`;
    reject(new ResourceError(ResetCode.Refused, text));
  });
  ask.end();
  // It came paused; the request listens by now.
  ask.once('socket', () => socket.resume());
  return promise;
}

/** What it did in place of an answer in HTTP; the most common cause is a port that speaks TLS, or another protocol. */
function describe(error: Error & { code?: string; rawPacket?: Buffer }, overTls: boolean): string {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return overTls
        ? 'closed the connection without an answer in HTTP: it may speak another protocol on this port'
        : 'closed the connection without an answer in HTTP: it may speak TLS on this port (resource.tls), or another protocol';
    case 'HPE_INVALID_CONSTANT':
      return isTlsRecord(error.rawPacket)
        ? 'speaks TLS on this port, and was asked without (resource.tls)'
        : 'answered, and not in HTTP: it speaks another protocol on this port';
    default:
      return `gave no answer in HTTP: ${errorText(error)}`;
  }
}

/** An alert, by which a server says that it got no TLS. */
function isTlsRecord(bytes: Buffer | undefined): boolean {
  return bytes?.[0] === 0x15 && bytes[1] === 3;
}
