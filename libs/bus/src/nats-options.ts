/** How a NATS connection is made. Files are read at each connect, so that replaced certificates and keys are taken. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  nkeyAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type ConnectionOptions,
} from '@nats-io/transport-node';
import type { OnError } from './answering.ts';
import { BusError } from './bus-error.ts';
import { redialOptions } from './redial.ts';

/** What `connectNats` takes. At most one of the two kinds of credentials. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; several of one cluster, divided by commas. */
  servers: string;
  /**
   * Shown by the server's monitoring: the service and its instance. Replies arrive below `_INBOX_<name>`, so that servers
   * can let each service hear its own only.
   */
  name: string;
  /** Which of several of that name: its replies arrive below `_INBOX_<name>.<instance>`. */
  instance?: string;
  /** Given, the connection is TLS or there is none. Without `caFile` the system's CAs decide. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  /** An NKey seed (`SU…`). */
  nkeySeedFile?: string;
  /** The password is asked for at each connect. */
  user?: { name: string; password: () => string };
  /** Ends the waiting for a server that answers. */
  signal?: AbortSignal;
  /** Told of each failed try, of what the server denied, and of handlers that throw. */
  onError?: OnError;
}

/** Silence of a server is noticed within two of these. */
const pingIntervalMs = 3_000;

/**
 * The driver's options: never gives up, spreads its tries, and tells silence from quiet. Throws `BUS_SETTINGS_INVALID`
 * without a word of what was given, which may be a secret in the wrong place.
 */
export function connectionOptions(
  options: NatsOptions,
): ConnectionOptions & { servers: string[]; inboxPrefix: string } {
  const servers = options.servers.split(',').map(readServer);
  const tls = options.tls ?? (servers.some(({ isTls }) => isTls) ? {} : undefined);
  const authenticator = authenticatorOf(options);
  const { name, instance } = options;
  const names = instance === undefined ? [name] : [name, instance];
  return {
    servers: servers.map(({ address }) => address),
    name: options.name,
    timeout: 5_000,
    maxReconnectAttempts: -1,
    ...redialOptions(),
    ignoreAuthErrorAbort: true,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls }),
    ...(authenticator === undefined ? {} : { authenticator }),
    inboxPrefix: `_INBOX_${names.map(tokenOf).join('.')}`,
  };
}

function readServer(text: string, index: number): { address: string; isTls: boolean } {
  const given = text.trim();
  const url = URL.parse(given.includes('://') ? given : `nats://${given}`);
  const isPlace = url !== null && url.hostname !== '' && /^\/?$/.test(url.pathname + url.search + url.hash);
  if (!isPlace || !['nats:', 'tls:'].includes(url.protocol) || url.username !== '') {
    throw new BusError(
      'BUS_SETTINGS_INVALID',
      `number ${index + 1} of the NATS servers is not nats://host:port or tls://host:port; a user has a setting of its own`,
    );
  }
  return { address: url.host, isTls: url.protocol === 'tls:' };
}

/** As one token of a subject. */
function tokenOf(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}

function authenticatorOf({ nkeySeedFile, user }: NatsOptions): Authenticator | undefined {
  assert(nkeySeedFile === undefined || user === undefined, 'one kind of credentials');
  if (nkeySeedFile !== undefined)
    return (nonce) => nkeyAuthenticator(Buffer.from(secret(nkeySeedFile)))(nonce);
  if (user !== undefined) return (nonce) => usernamePasswordAuthenticator(user.name, user.password())(nonce);
  return undefined;
}

function secret(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
