/**
 * The way through a SOCKS proxy to a resource. SOCKS 4 takes an IPv4 address, 4a and 5 take a name, which the proxy then
 * resolves. The package `socks` speaks the protocol; what it leaves behind on the socket is put in order here.
 */
import { isIPv4 } from 'node:net';
import type { Socket } from 'node:net';
import { toAsciiHost } from '@postern/access';
import { ResetCode } from '@postern/tunnel';
import { SocksClient } from 'socks';
import { errorText } from './error-text.ts';
import { type DialingEnd, ResourceError } from './resource-error.ts';

/** A proxy between client and resource, as a destination names it. */
export interface ResourceProxy {
  readonly type: 'socks4' | 'socks4a' | 'socks5';
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  /** Which password it is shown, by ID. */
  readonly passwordId?: string | undefined;
}

/** Asks the proxy at the other end of `socket` for a connection. On failure the socket is destroyed; rejects with ResourceError or the signal's reason. */
export async function throughSocks(
  socket: Socket,
  {
    end,
    proxy,
    password,
    to,
  }: {
    end: DialingEnd;
    proxy: ResourceProxy;
    /** Null for none. */
    password: string | null;
    to: { host: string; port: number };
  },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  if (proxy.type === 'socks4' && !isIPv4(to.host)) {
    socket.destroy();
    throw new ResourceError(
      ResetCode.ProxyFailed,
      `SOCKS 4 takes IPv4 addresses only, and ${to.host} is none: use socks4a or socks5`,
    );
  }
  const fault = credentialFault(proxy, password);
  if (fault !== null) {
    socket.destroy();
    throw new ResourceError(ResetCode.ProxyFailed, fault);
  }
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort);
  // The package waits for 'close', which a socket of ours that may be half open does not come to by itself.
  socket.once('end', onAbort);
  try {
    const established = SocksClient.createConnection({
      command: 'connect',
      existing_socket: socket,
      // The package counts the characters of a name, and writes its bytes.
      destination: { ...to, host: toAsciiHost(to.host) },
      timeout: Math.ceil(timeoutMs),
      proxy: { host: proxy.host, port: proxy.port, ...credentialsOf(proxy, password) },
    });
    // It listens by now.
    socket.resume();
    await established;
    socket.off('end', onAbort);
    await settle(socket);
    if (socket.destroyed) throw new Error('Socket closed');
    return socket;
  } catch (error) {
    socket.on('error', () => {}).destroy();
    signal.throwIfAborted();
    throw socksFault(end, proxy, to, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The package throws where nobody catches it when it writes what has no room in the protocol (RFC 1929, section 2). */
function credentialFault({ type, username = '' }: ResourceProxy, password: string | null): string | null {
  if (Math.max(Buffer.byteLength(username), Buffer.byteLength(password ?? '')) <= 255) return null;
  return `${type.toUpperCase()} has room for 255 bytes of user and of password, and the destination has more`;
}

function credentialsOf({ type, username }: ResourceProxy, password: string | null) {
  return {
    type: type === 'socks5' ? (5 as const) : (4 as const),
    ...(username === undefined ? {} : { userId: username }),
    ...(password === null ? {} : { password }),
  };
}

/** The package hands on in the next turn what came behind the proxy's answer, and resumes the socket: both are undone. */
async function settle(socket: Socket): Promise<void> {
  const early: Buffer[] = [];
  const keep = (chunk: Buffer): void => void early.push(chunk);
  socket.on('data', keep);
  await new Promise((resolve) => setImmediate(resolve));
  socket.off('data', keep).pause();
  if (early.length > 0) socket.unshift(Buffer.concat(early));
}

function socksFault(
  end: DialingEnd,
  proxy: ResourceProxy,
  to: { host: string; port: number },
  error: unknown,
): ResourceError {
  const where = `the proxy ${proxy.host}:${proxy.port}`;
  const what = `${to.host}:${to.port}`;
  const said = errorText(error);
  const fault = (reset: ResetCode, text: string) => new ResourceError(reset, text, { cause: error });
  if (/Authentication failed|RejectedIdent/i.test(said)) {
    return fault(ResetCode.ProxyFailed, `${where} refused the credentials of the destination`);
  }
  const missing = signInFault(said, proxy.username !== undefined);
  if (missing !== null) return fault(ResetCode.ProxyFailed, `${where} ${missing}`);
  if (/timed out/i.test(said))
    return fault(ResetCode.TimedOut, `${where} gave no answer about ${what} in time`);
  if (/rejected connection/i.test(said)) {
    return fault(
      ResetCode.ProxyFailed,
      `${where} did not connect ${end.name} to ${what}: ${socksReason(said)}`,
    );
  }
  if (/invalid .*handshake|Socket closed/i.test(said)) {
    return fault(
      ResetCode.ProxyFailed,
      `${where} gave no answer in ${proxy.type.toUpperCase()}: check its type, host and port, whether it lets ${end.name} in, and whether it reaches ${what}`,
    );
  }
  return fault(ResetCode.ProxyFailed, `${where} cannot be used: ${said}`);
}

/**
 * What a SOCKS 5 proxy wants that takes none of the ways to sign in that it was offered, or chose one that it was not; null
 * where what the package said is of another fault.
 */
export function signInFault(said: string, hasCredentials: boolean): string | null {
  const chose = /unknown authentication type/i.test(said);
  if (!chose && !/no accepted authentication type/i.test(said)) return null;
  if (!chose && !hasCredentials) return 'wants credentials, and there are none';
  return 'takes no user and password: it may take GSSAPI (Kerberos) only, which is not spoken here';
}

/** Why a SOCKS proxy did not connect, in words for what the package said: the reply codes of RFC 1928 and SOCKS 4, and no SOCKS. */
export function socksReason(said: string): string {
  if (/Authentication failed/i.test(said)) return 'it refused the credentials';
  if (/invalid .*handshake/i.test(said)) return 'it gave no answer in SOCKS: check its type, host and port';
  if (/Socket closed/i.test(said)) return 'it closed the connection';
  const reply = / - \(?(\w+)\)?$/.exec(said)?.[1] ?? '';
  const words: Readonly<Record<string, string>> = {
    Failure: 'it failed there',
    Failed: 'it refused, or the resource did',
    Rejected: 'it refused, or the resource did',
    NotAllowed: 'its own rules do not allow it',
    NetworkUnreachable: 'its network has no way there',
    HostUnreachable: 'it cannot resolve or reach the host',
    ConnectionRefused: 'the resource refused the connection',
    TTLExpired: 'the resource is too far away',
    CommandNotSupported: 'it does not serve connections',
    AddressNotSupported: 'it does not serve this sort of address',
    undefined: 'it gave a reason that SOCKS does not know',
  };
  return words[reply] ?? said;
}
