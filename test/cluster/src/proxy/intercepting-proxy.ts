/**
 * A TLS-inspecting proxy, as companies put between their networks and the world: it ends TLS with a certificate that its
 * own CA signs for whatever name is asked for, and opens another connection behind. A client must see it and say so.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import { type SecureContext, type TLSSocket, connect, createSecureContext, createServer } from 'node:tls';
import {
  type Authority,
  createAuthority,
  createSigningRequest,
  generateKey,
  loadAuthority,
} from '@postern/tls';
import type { Target } from './cuttable-proxy.ts';

const DAY_MS = 86_400_000;

/** An inspecting proxy in front of one target. */
export interface InterceptingProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The subject of its CA, as error messages should name it. */
  readonly authorityName: string;
  /** Its CA, for clients that are told to believe it. */
  readonly caPem: string;
  /** Connections whose TLS it ended; a client that refuses its certificate is not among them. */
  readonly intercepted: number;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function startInterceptingProxy(target: Target): Promise<InterceptingProxy> {
  const authorityName = 'Example Corp Inspection CA';
  const authority = loadAuthority(await createAuthority({ commonName: authorityName }));
  const sockets = new Set<TLSSocket>();
  let intercepted = 0;
  const fallback = await issue(authority, target.host);
  const server = createServer({
    ...fallback,
    SNICallback: (name, done) => {
      issue(authority, name).then(
        (pair) => done(null, contextOf(pair)),
        (error: Error) => done(error),
      );
    },
  });
  const track = (socket: TLSSocket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  };
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('secureConnection', (near) => {
    intercepted += 1;
    const servername = typeof near.servername === 'string' ? near.servername : '';
    const name = servername === '' ? {} : { servername };
    const far = connect({ host: target.host, port: target.port, rejectUnauthorized: false, ...name });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      track(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    authorityName,
    caPem: authority.certificatePem,
    get intercepted() {
      return intercepted;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Pair {
  readonly key: string;
  readonly cert: string;
}

async function issue(authority: Authority, name: string): Promise<Pair> {
  const names = isIP(name) === 0 ? { names: [name] } : { addresses: [name] };
  const key = await generateKey();
  const csrPem = await createSigningRequest({ keyPem: key, commonName: name, ...names });
  const notAfter = new Date(Date.now() + DAY_MS);
  const cert = await authority.issue({ csrPem, ...names, usage: 'server', notAfter });
  return { key, cert: cert + authority.certificatePem };
}

function contextOf(pair: Pair): SecureContext {
  return createSecureContext(pair);
}
