/**
 * Which proxy stands between this client and a host. `--proxy` decides where it is given; else HTTPS_PROXY, then
 * ALL_PROXY, in small letters or large, as other programs read them. NO_PROXY excepts hosts from both: names (with all
 * below them), `.name`, `*.name`, addresses, blocks, each with an optional port, and `*`. Pure.
 */
import { BlockList, isIP } from 'node:net';

/** A proxy, as its URL says it. */
export interface Proxy {
  readonly kind: 'http' | 'https' | 'socks5';
  readonly host: string;
  readonly port: number;
  readonly credentials: { readonly user: string; readonly password: string } | null;
}

/** Which proxy to use for a host and port; null for none. */
export type ChooseProxy = (host: string, port: number) => Proxy | null;

/** The variables that name proxies, as in `process.env`. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

const kinds: Readonly<Record<string, { kind: Proxy['kind']; port: number }>> = {
  'http:': { kind: 'http', port: 80 },
  'https:': { kind: 'https', port: 443 },
  'socks:': { kind: 'socks5', port: 1080 },
  'socks5:': { kind: 'socks5', port: 1080 },
  'socks5h:': { kind: 'socks5', port: 1080 },
};

const socksCredentialBytesMax = 255;

/** Reads `--proxy` and the environment once. Throws a TypeError that names no credentials when a URL is wrong. */
export function proxyChooser(given: string | null, environment: ProxyEnvironment): ChooseProxy {
  const url = given ?? readVariable(environment, 'HTTPS_PROXY') ?? readVariable(environment, 'ALL_PROXY');
  if (url === null) return () => null;
  const proxy = parseProxy(url);
  const isExcepted = exceptions(readVariable(environment, 'NO_PROXY') ?? '');
  return (host, port) => (isExcepted(host, port) ? null : proxy);
}

/** A proxy without its credentials, for people. */
export function proxyText({ kind, host, port }: Proxy): string {
  return `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `http://user:password@host:port`, `https://…`, `socks5://…`; without a scheme it is http. */
export function parseProxy(text: string): Proxy {
  const withScheme = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`;
  // Not `new URL(text)` with its own error, which would hold the credentials.
  const url = URL.parse(withScheme);
  const scheme = url === null ? undefined : kinds[url.protocol];
  if (url === null || scheme === undefined || url.hostname === '') {
    throw new TypeError(
      'a proxy is http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT, with USER:PASSWORD@ before the host if it asks for them',
    );
  }
  return {
    kind: scheme.kind,
    host: bare(url.hostname),
    port: url.port === '' ? scheme.port : Number(url.port),
    credentials: credentialsOf(url, scheme.kind),
  };
}

/** What has no room in SOCKS 5 (RFC 1929, section 2) is refused here: the package throws where nobody catches it. */
function credentialsOf({ username, password }: URL, kind: Proxy['kind']): Proxy['credentials'] {
  if (username === '') return null;
  const credentials = { user: decode(username), password: decode(password) };
  const longest = Math.max(Buffer.byteLength(credentials.user), Buffer.byteLength(credentials.password));
  if (kind === 'socks5' && longest > socksCredentialBytesMax) {
    throw new TypeError(`SOCKS5 has room for ${socksCredentialBytesMax} bytes of user and of password`);
  }
  return credentials;
}

function readVariable(environment: ProxyEnvironment, name: string): string | null {
  return environment[name.toLowerCase()] || environment[name] || null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

function exceptions(list: string): (host: string, port: number) => boolean {
  const tests = list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(exception);
  return (host, port) => {
    const name = bare(host).toLowerCase().replace(/\.$/, '');
    return tests.some((test) => test(name, port));
  };
}

function exception(entry: string): (host: string, port: number) => boolean {
  if (entry === '*') return () => true;
  if (isIP(entry) !== 0) return hostException(entry);
  const [, bracketed, plain = '', port] =
    /^(?:\[(.+)\]|([^:]+|[^:]*(?::[^:]*){2,}?))(?::(\d+))?$/.exec(entry) ?? [];
  const pattern = (bracketed ?? (plain === '' ? entry : plain)).toLowerCase();
  const matches = hostException(pattern);
  return (host, hostPort) => (port === undefined || Number(port) === hostPort) && matches(host);
}

function hostException(pattern: string): (host: string) => boolean {
  const [address = '', prefix] = pattern.split('/');
  const family = isIP(address);
  if (family !== 0) {
    const block = new BlockList();
    const type = family === 4 ? 'ipv4' : 'ipv6';
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
    if (!(bits >= 0 && bits <= (family === 4 ? 32 : 128))) return () => false;
    block.addSubnet(address, bits, type);
    return (host) => isIP(host) !== 0 && block.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
  }
  const name = pattern.replace(/^\*?\.?/, '');
  return (host) => host === name || host.endsWith(`.${name}`);
}
