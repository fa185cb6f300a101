/**
 * Names of fields. Those that nearly all heads are made of are known beforehand: they need not be looked through, and what
 * they are in small letters is the same text each time, so that whoever compares it has it by a pointer and its hash.
 */

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const usual = [
  'accept',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'access-control-allow-origin',
  'age',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-language',
  'content-length',
  'content-security-policy',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'forwarded',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'keep-alive',
  'last-modified',
  'location',
  'origin',
  'pragma',
  'range',
  'referer',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'server',
  'set-cookie',
  'strict-transport-security',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'upgrade-insecure-requests',
  'user-agent',
  'vary',
  'via',
  'x-content-type-options',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-frame-options',
  'x-powered-by',
  'x-real-ip',
  'x-request-id',
] as const;

/** Both spellings that are usual: `content-type` and `Content-Type`. */
const known = new Map<string, string>(
  usual.flatMap((key) => [
    [key, key],
    [key.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase()), key],
  ]),
);
known.set('ETag', 'etag');

const keys: ReadonlySet<string> = new Set(usual);

/** Whether it is one of the names that are known: of letters, digits and `-` alone. */
export function isUsual(key: string): boolean {
  return keys.has(key);
}

/** Whether the text is a token of RFC 9110. */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** The name in small letters; null when it is no token. */
export function keyOf(name: string): string | null {
  return known.get(name) ?? (token.test(name) ? name.toLowerCase() : null);
}
