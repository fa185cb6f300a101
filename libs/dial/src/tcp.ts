/** One TCP connection to one address, half-open and paused. */
import { type Socket, connect } from 'node:net';
import { connectSocket } from '@postern/tunnel';
import { timedOut } from './deadline.ts';

/** What a connection is made with. */
export interface TcpOptions {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Seconds of silence after which TCP asks whether the other end is still there; 0 for never. */
  readonly keepAliveSeconds: number;
  /** True where something is to be spoken on it first (a proxy, TLS): then it has no read buffers of its own. */
  readonly shared: boolean;
}

/** Resolves when it is up; rejects with the system's error, `ETIMEDOUT`, or the signal's reason. */
export function connectTcp(options: TcpOptions, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  signal.throwIfAborted();
  const to = {
    host: options.address,
    port: options.port,
    noDelay: true,
    keepAlive: options.keepAliveSeconds > 0,
    keepAliveInitialDelay: options.keepAliveSeconds * 1000,
  };
  const socket = options.shared ? connect({ ...to, allowHalfOpen: true }).pause() : connectSocket(to);
  const onAbort = (): void => reject(signal.reason);
  const timer = setTimeout(() => reject(timedOut()), Math.ceil(options.timeoutMs));
  signal.addEventListener('abort', onAbort);
  const onConnect = (): void => resolve(socket);
  socket.once('connect', onConnect).once('error', reject);
  return promise
    .finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', reject);
    })
    .catch((error: unknown) => {
      socket.on('error', () => {}).destroy();
      throw error;
    });
}
