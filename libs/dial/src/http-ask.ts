/** One request over a connection that stands: whether an HTTP server answers there, and with what. */
import { request } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
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
      const text = `${authority} gave no answer in HTTP: ${errorText(error)}`;
      reject(new ResourceError(ResetCode.Refused, text, { cause: error }));
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
