/**
 * What a request asks for: its target and its Host, read as one (RFC 9112, 3.2 and 3.3). Two that disagree are refused,
 * since what stands behind the gateway might follow the other one.
 */
import { HttpFault, malformed } from './fault.ts';
import { single } from './field.ts';
import type { RequestHead } from './head.ts';

/** Where a request goes. `path` is "*" for `OPTIONS *`, else it begins with "/". */
export interface RequestTarget {
  /** Host and port as the caller wrote them, without an empty port; null for HTTP/1.0 without Host. */
  authority: string | null;
  path: string;
  /** With its "?"; empty when there is none. */
  query: string;
}

/**
 * Of a name the unreserved signs only. No name has the others that RFC 3986 (3.2.2) allows, and what a caller says is told on
 * (X-Forwarded-Host, Forwarded) to servers to which `,`, `;`, quotes and percent signs mean something.
 */
const authorityForm = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::\d{0,5})?$/;
const absoluteForm = /^(https?):\/\/([^/?]*)(\/[^?]*)?(\?.*)?$/i;

/** Reads target and Host of a request. Throws `HttpFault`. */
export function readTarget(head: RequestHead): RequestTarget {
  const { method, target } = head;
  if (method === 'CONNECT' || method === 'TRACE') {
    throw new HttpFault('HTTP_METHOD', `${method} is not served`);
  }
  const named = single(head.fields, 'host');
  if (named === undefined && head.minor === 1) throw malformed('no Host field');
  const host = named === undefined ? undefined : readAuthority(named);
  if (target.includes('#')) throw malformed('a fragment in the request target');
  if (target.startsWith('/')) return splitPath(target, host ?? null);
  if (target === '*' && method === 'OPTIONS') return { authority: host ?? null, path: '*', query: '' };
  return readAbsolute(head, host);
}

/** The host of an authority as names are compared: in small letters, without brackets, port, and the dot of the root. */
export function hostOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(1, authority.indexOf(']')).toLowerCase();
  const colon = authority.indexOf(':');
  const host = colon < 0 ? authority : authority.slice(0, colon);
  return host.toLowerCase().replace(/\.$/, '');
}

/** The port of an authority, or the scheme's own. */
export function portOf(authority: string, scheme: 'http' | 'https'): number {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return scheme === 'https' ? 443 : 80;
  const port = authority.slice(colon + 1);
  return port === '' ? portOf(authority.slice(0, colon), scheme) : Number(port);
}

/** Host and port as they stand in Host: without the scheme's own port, IPv6 in brackets. */
export function authorityOf(host: string, port: number, scheme: 'http' | 'https'): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`;
}

function readAbsolute(head: RequestHead, host: string | undefined): RequestTarget {
  const match = absoluteForm.exec(head.target);
  if (match === null) throw malformed('a request target that is neither a path nor an http URL');
  const [, scheme = '', written = '', path, query = ''] = match;
  const authority = readAuthority(written);
  if (host !== undefined && !isSame(authority, host, scheme.toLowerCase() === 'https' ? 'https' : 'http')) {
    throw malformed('a request target whose host is not that of the Host field');
  }
  const bare = head.method === 'OPTIONS' && query === '' ? '*' : '/';
  return { authority, path: path ?? bare, query };
}

function isSame(one: string, other: string, scheme: 'http' | 'https'): boolean {
  return hostOf(one) === hostOf(other) && portOf(one, scheme) === portOf(other, scheme);
}

function splitPath(target: string, authority: string | null): RequestTarget {
  const mark = target.indexOf('?');
  return mark < 0
    ? { authority, path: target, query: '' }
    : { authority, path: target.slice(0, mark), query: target.slice(mark) };
}

/** Without an empty port, which says the same (RFC 3986, 6.2.3). */
function readAuthority(text: string): string {
  if (!authorityForm.test(text))
    throw malformed('a Host that is not a host name or address with or without a port');
  return text.endsWith(':') ? text.slice(0, -1) : text;
}
