/**
 * Where a request of WebDAV writes to (RFC 4918, 10.3: COPY and MOVE): a second path of the same resource, named as the
 * caller names the front. A server takes it as its own only under its own name.
 */
import { type Field, single } from './field.ts';
import { hostOf, portOf } from './target.ts';

/** What Destination names. */
export interface RequestDestination {
  scheme: 'http' | 'https';
  /** Host and port as they stand there; null where they do not. */
  authority: string | null;
  /** Null where it is neither a path nor an http URL, and where it may be read as another; `rest` has all of it then. */
  path: string | null;
  rest: string;
}

const form = /^(?:(https?):\/\/([^/?#]*)(?=[/?#]|$))?(\/(?!\/)[^?#]*)?(.*)$/i;

/** The Destination of a request; null when there is none. Throws `HttpFault` when there are two. */
export function readDestination(fields: readonly Field[]): RequestDestination | null {
  const value = single(fields, 'destination');
  if (value === undefined) return null;
  const [, scheme, authority = null, path, rest = ''] = form.exec(value) ?? [];
  const place = { scheme: scheme?.toLowerCase() === 'https' ? 'https' : 'http', authority } as const;
  // It has no fragment (RFC 4918, 8.3), and a server may take all behind a # for a part of the path.
  if (rest.includes('#')) return { ...place, path: null, rest: `${path ?? ''}${rest}` };
  const isUrl = authority !== null;
  return { ...place, path: path ?? (isUrl && !rest.startsWith('/') ? '/' : null), rest };
}

/** The value as the resource gets it: what is called as the caller calls the front is called as the resource. */
export function formatDestination(
  { scheme, authority, path, rest }: RequestDestination,
  caller: { scheme: 'http' | 'https'; authority: string },
  resource: { scheme: 'http' | 'https'; authority: string },
): string {
  const text = `${path ?? ''}${rest}`;
  if (authority === null) return text;
  const isFront =
    hostOf(authority) === hostOf(caller.authority) &&
    (portOf(authority, scheme) === portOf(caller.authority, caller.scheme) ||
      authority.toLowerCase() === caller.authority.toLowerCase());
  return isFront ? `${resource.scheme}://${resource.authority}${text}` : `${scheme}://${authority}${text}`;
}
