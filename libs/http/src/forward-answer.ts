/**
 * An answer's fields as the caller gets them: nothing that was meant for the hop to the resource, and where they name the
 * resource, they name the front. Only whole names are rewritten; bodies never are.
 */
import type { Field } from './field.ts';
import { asReadByCgi, isTold, nominated, viaName } from './forward-request.ts';
import { hostOf, portOf } from './target.ts';

/** Who is called what on either side. */
export interface AnswerNames {
  /** The resource's host and port, as in the Host that it was sent. */
  resource: string;
  resourceScheme: 'http' | 'https';
  /** Host and port as the caller named the front. */
  front: string;
  frontScheme: 'http' | 'https';
}

const hop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'content-length',
  'upgrade',
  // It names other ports of the resource, which mean nothing at the front.
  'alt-svc',
  'postern-tracking-id',
]);
const trailerless = new Set([
  ...hop,
  'host',
  'trailer',
  'content-encoding',
  'content-type',
  'content-range',
  'set-cookie',
  'authorization',
  'cache-control',
  'expect',
  'max-forwards',
  'location',
  'via',
  'proxy-authorization',
  'http2-settings',
  'cookie',
  'x-request-id',
  'traceparent',
  'tracestate',
]);

/** Every field that goes on, but those of the framing; those that stay as they are are the same objects. */
export function forwardAnswer(fields: readonly Field[], version: string, names: AnswerNames): Field[] {
  const named = nominated(fields);
  const forwarded: Field[] = [];
  for (const field of fields) {
    const { name, key, value } = field;
    if (hop.has(key) || (named !== null && named.has(key))) continue;
    switch (key) {
      case 'location':
      case 'content-location':
        forwarded.push({ name, key, value: rewriteUrl(value, names) });
        break;
      case 'refresh':
        forwarded.push({ name, key, value: rewriteRefresh(value, names) });
        break;
      case 'set-cookie':
        forwarded.push({ name, key, value: rewriteCookie(value, names) });
        break;
      default:
        forwarded.push(field);
    }
  }
  forwarded.push({ name: 'Via', key: 'via', value: `${version} ${viaName}` });
  return forwarded;
}

/**
 * The trailer fields that may be passed on: none that a recipient needs before the body, and none that the gateway alone
 * tells, for servers that put trailers among the header fields (RFC 9440, section 2.4).
 */
export function forwardTrailers(fields: readonly Field[]): Field[] {
  return fields.filter(({ key }) => !trailerless.has(asReadByCgi(key)) && !isTold(key));
}

/** A URL that names the resource names the front instead; any other stays as it is. */
export function rewriteUrl(url: string, names: AnswerNames): string {
  const match = /^(?:(https?):)?\/\/([^/?#]*)(.*)$/i.exec(url);
  if (match === null) return url;
  const [, scheme, authority = '', rest = ''] = match;
  const urlScheme = (scheme?.toLowerCase() ?? names.resourceScheme) as 'http' | 'https';
  if (hostOf(authority) !== hostOf(names.resource)) return url;
  const port = portOf(names.resource, names.resourceScheme);
  if (portOf(authority, urlScheme) !== port) return url;
  return `${scheme === undefined ? '' : `${names.frontScheme}:`}//${names.front}${rest}`;
}

/** Seconds, and a URL that may be quoted: `5; url=http://…`. */
function rewriteRefresh(refresh: string, names: AnswerNames): string {
  return refresh.replace(
    /^([\d.]* ?[;,]\s*url\s*=\s*["']?)(.*)$/is,
    (_all, before: string, url: string) => before + rewriteUrl(url, names),
  );
}

/** A cookie for the resource's host becomes one for the front's; one for a domain around it, for the front alone. */
export function rewriteCookie(cookie: string, names: AnswerNames): string {
  if (!/;\s*domain\s*=/i.test(cookie)) return cookie;
  const host = hostOf(names.resource);
  const front = hostOf(names.front);
  const isName = /[a-z]/.test(front) && front.includes('.') && !front.includes(':');
  const parts = cookie.split(';').flatMap((part, index) => {
    const match = index === 0 ? null : /^domain\s*=\s*\.?(.*)$/i.exec(part.trim());
    const domain = match?.[1]?.toLowerCase();
    if (domain === undefined || (domain !== host && !host.endsWith(`.${domain}`))) return [part];
    return domain === host && isName ? [` Domain=${front}`] : [];
  });
  return parts.join(';');
}
