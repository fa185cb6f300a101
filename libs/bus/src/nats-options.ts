/** How a NATS connection is made. Files are read at each connect, so that replaced certificates and keys are taken. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  credsAuthenticator,
  nkeyAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type ConnectionOptions,
} from '@nats-io/transport-node';
import type { OnError } from './answering.ts';

/** What `connectNats` takes. At most one of the three kinds of credentials. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; several of one cluster, comma-separated or as a list. */
  servers: string | readonly string[];
  /** Shown by the server's monitoring: the service and its instance. */
  name: string;
  /** Given, the connection is TLS or there is none. Without `caFile` the system's CAs decide. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  /** An NKey seed (`SU…`). */
  nkeySeedFile?: string;
  /** JWT and seed, as `nsc` writes them. */
  credentialsFile?: string;
  /** The password is asked for at each connect. */
  user?: { name: string; password: () => string };
  /** Where replies arrive; `_INBOX_<name>` unless given, so that servers can let each service hear its own only. */
  inboxPrefix?: string;
  /** Try on until a server answers (default), or reject with `BUS_UNREACHABLE` after one try. */
  waitOnFirstConnect?: boolean;
  /** Ends the waiting. */
  signal?: AbortSignal;
  /** Told of each failed try, of what the server denied, and of handlers that throw. */
  onError?: OnError;
}

/** Silence of a server is noticed within two of these. */
const pingIntervalMs = 3_000;

/** The driver's options: never gives up, spreads its tries, and tells silence from quiet. */
export function connectionOptions(options: NatsOptions): ConnectionOptions {
  const servers = typeof options.servers === 'string' ? options.servers.split(',') : [...options.servers];
  const tls = options.tls ?? (servers.some((server) => server.trim().startsWith('tls://')) ? {} : undefined);
  const authenticator = authenticatorOf(options);
  return {
    servers: servers.map((server) => server.trim()),
    name: options.name,
    timeout: 5_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 400,
    reconnectJitterTLS: 400,
    ignoreAuthErrorAbort: true,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls }),
    ...(authenticator === undefined ? {} : { authenticator }),
    inboxPrefix: options.inboxPrefix ?? `_INBOX_${options.name.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`,
  };
}

function authenticatorOf({ nkeySeedFile, credentialsFile, user }: NatsOptions): Authenticator | undefined {
  const given = [nkeySeedFile, credentialsFile, user].filter((kind) => kind !== undefined);
  assert(given.length <= 1, 'one kind of credentials');
  if (nkeySeedFile !== undefined)
    return (nonce) => nkeyAuthenticator(Buffer.from(secret(nkeySeedFile)))(nonce);
  if (credentialsFile !== undefined)
    return (nonce) => credsAuthenticator(readFileSync(credentialsFile))(nonce);
  if (user !== undefined) return (nonce) => usernamePasswordAuthenticator(user.name, user.password())(nonce);
  return undefined;
}

function secret(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
