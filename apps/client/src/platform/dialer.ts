/**
 * The three connections that a client makes to its platform: the first call's, straight to a node's tunnel port, and the
 * WebSocket. Each goes through the proxy that stands before its host, ends within its time, and is TLS with the server's
 * certificate verified, always: there is no switch that turns it off.
 */
import type { Socket } from 'node:net';
import { type SecureContext, type TLSSocket, createSecureContext } from 'node:tls';
import type { NodeAddress } from '@postern/contracts';
import { connectTls, contextOptions } from '@postern/tls/connect';
import { webSocketMessageBytesMax } from '@postern/tunnel';
import { WebSocket } from 'ws';
import { errorText } from '@postern/dial';
import { ClientError } from '../errors.ts';
import type { BelievedCa } from './ca-file.ts';
import type { Hosts } from '@postern/dial';
import { type ChooseProxy, proxyText } from './proxy-choice.ts';
import { isLate, openSocket } from './proxy-tunnel.ts';
import { retryAfterMs } from './retry-after.ts';

/** Where the platform is and whom to believe. */
export interface DialerOptions {
  readonly connectUrl: URL;
  /** The CAs to believe instead of the usual ones. */
  readonly ca: BelievedCa;
  readonly chooseProxy: ChooseProxy;
  readonly hosts: Hosts;
}

/** How long each may take, TLS included. */
const DialTimeout = { directMs: 4000, platformMs: 8000 } as const;

/** The path of the tunnel WebSocket. */
const webSocketPath = '/v1/tunnel';

/** Makes connections; holds none of them. */
export class Dialer {
  readonly #options: DialerOptions;
  /** Made anew where the CAs are others, not for each connection. */
  readonly #contexts = new Map<'tunnel' | 'platform', { caPem: string | null; context: SecureContext }>();

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  get connectUrl(): URL {
    return this.#options.connectUrl;
  }

  /** A verified TLS connection to the platform's host, for HTTP/1.1. */
  async platform(signal: AbortSignal): Promise<TLSSocket> {
    const { hostname, port } = this.#options.connectUrl;
    const host = hostname.replace(/^\[|\]$/g, '');
    return within(DialTimeout.platformMs, signal, `${host}:${port || 443}`, (within) =>
      this.#secure(
        { host, port: Number(port || 443), serverName: host, tunnel: false, protocol: 'http/1.1' },
        within,
      ),
    );
  }

  /** A verified TLS 1.3 connection to a node's tunnel port. */
  async direct(address: NodeAddress, signal: AbortSignal): Promise<TLSSocket> {
    const { host, port, serverName } = address;
    return within(DialTimeout.directMs, signal, `${host}:${port}`, (within) =>
      this.#secure({ host, port, serverName, tunnel: true }, within),
    );
  }

  /** An open WebSocket to the platform, paused: `resume` it when somebody listens. */
  async webSocket(signal: AbortSignal): Promise<{ webSocket: WebSocket; remoteAddress: string }> {
    const socket = await this.platform(signal);
    const remoteAddress = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    const url = new URL(webSocketPath, this.#options.connectUrl);
    url.protocol = 'wss:';
    const webSocket = await within(DialTimeout.platformMs, signal, url.host, (within) =>
      upgrade(url, socket, within),
    );
    return { webSocket, remoteAddress };
  }

  async #secure(
    to: { host: string; port: number; serverName: string; tunnel: boolean; protocol?: string },
    signal: AbortSignal,
  ): Promise<TLSSocket> {
    const { ca, chooseProxy, hosts } = this.#options;
    ca.renew();
    const caPem = ca.pem;
    const { host, port, serverName, tunnel, protocol } = to;
    const proxy = chooseProxy(host, port);
    const socket = await openSocket({ host, port, proxy, lookup: hosts.lookup, caPem, signal });
    try {
      return await connectTls({
        host,
        port,
        serverName,
        socket,
        signal,
        context: this.#context(tunnel, caPem),
        ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
      });
    } catch (error) {
      destroyQuietly(socket);
      if (proxy === null || !isLate(signal)) throw error;
      // It said that it was connected, which proxies that look into TLS, or let only some ports through, say as well.
      const silent = `the proxy ${proxyText(proxy)} said that it is connected to ${host}:${port}, and nothing came back`;
      throw new ClientError(
        'CLIENT_PROXY_FAILED',
        `${silent}: it may let no TLS, or not this port, through`,
        {
          cause: error,
        },
      );
    }
  }

  #context(tunnel: boolean, caPem: string | null): SecureContext {
    const key = tunnel ? 'tunnel' : 'platform';
    const known = this.#contexts.get(key);
    if (known?.caPem === caPem) return known.context;
    const options = contextOptions({ tunnel, ...(caPem === null ? {} : { caPem }) });
    const context = createSecureContext(options);
    this.#contexts.set(key, { caPem, context });
    return context;
  }
}

function destroyQuietly(socket: Socket): void {
  socket.on('error', () => {}).destroy();
}

/** Runs with a deadline of its own below the caller's signal; says that the host kept it waiting, unless `run` knows better. */
async function within<Result>(
  timeoutMs: number,
  signal: AbortSignal,
  what: string,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    return await run(AbortSignal.any([signal, deadline]));
  } catch (error) {
    if (!deadline.aborted || signal.aborted || error instanceof ClientError) throw error;
    throw new ClientError(
      'CLIENT_TIMED_OUT',
      `${what} gave no answer within ${timeoutMs} ms (a firewall may be in between)`,
      { cause: error },
    );
  }
}

function upgrade(url: URL, socket: TLSSocket, signal: AbortSignal): Promise<WebSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  const webSocket = new WebSocket(url, {
    createConnection: () => socket,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: webSocketMessageBytesMax,
  });
  const onAbort = (): void => {
    webSocket.terminate();
    reject(signal.reason);
  };
  signal.addEventListener('abort', onAbort);
  webSocket.on('error', (error) => {
    reject(
      new ClientError(
        'CLIENT_WEBSOCKET_REFUSED',
        `${url.host} did not open a WebSocket: ${errorText(error)}`,
        { cause: error },
      ),
    );
  });
  webSocket.once('unexpected-response', (_request, answer) => {
    const status = answer.statusCode ?? 0;
    const retry = retryAfterMs(answer.headers['retry-after'], Date.now());
    reject(
      new ClientError('CLIENT_WEBSOCKET_REFUSED', `${url.host} did not open a WebSocket (${status})`, {
        status,
        retryAfterMs: retry,
      }),
    );
    webSocket.terminate();
    socket.destroy();
  });
  webSocket.once('open', () => {
    // The node speaks first: what comes before the carrier listens would be lost.
    webSocket.pause();
    resolve(webSocket);
  });
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
  });
}
