/**
 * Heads of HTTP/2 as those of HTTP/1.1, and back. What RFC 9113 (8.2, 8.3) calls malformed nghttp2 refuses before it is
 * seen here; method, path and authority are then held to the same rules as those of HTTP/1.1, because they become a
 * request line of it.
 */
import {
  type Field,
  type Framing,
  HttpFault,
  type RequestHead,
  encodeTarget,
  isToken,
  malformed,
} from '@postern/http';

const targetForm = /^[\x21-\x7e\x80-\xff]+$/;
/** Methods of which a body is expected. */
const enclosing = new Set(['POST', 'PUT', 'PATCH']);

/** A request's head as HTTP/1.1 would have it. Throws `HttpFault`. */
export function readHead(raw: readonly string[]): RequestHead {
  const pseudo = new Map<string, string>();
  const fields: Field[] = [];
  let cookie: Field | null = null;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [key = '', value = ''] = [raw[index], raw[index + 1]];
    if (key.startsWith(':')) pseudo.set(key, value);
    else if (key === 'cookie' && cookie !== null) cookie.value += `; ${value}`;
    else {
      const field = fieldOf(key, value);
      if (key === 'cookie') cookie = field;
      fields.push(field);
    }
  }
  const [method, path, authority] = [pseudo.get(':method'), pseudo.get(':path'), pseudo.get(':authority')];
  if (method === 'CONNECT') throw new HttpFault('HTTP_METHOD', 'CONNECT is not served');
  if (method === undefined || !isToken(method)) throw malformed('a method that is no token');
  if (path === undefined || !targetForm.test(path))
    throw malformed('no path, or one with other characters than it may have');
  if (!path.startsWith('/') && path !== '*') throw malformed('a path that does not begin with /');
  return { method, target: encodeTarget(path), minor: 1, fields: withHost(fields, authority) };
}

/** One Host, whichever way it was told; two that differ are refused (RFC 9113, 8.3.1). */
function withHost(fields: Field[], authority: string | undefined): Field[] {
  const hosts = fields.filter(({ key }) => key === 'host');
  if (authority === undefined) return fields;
  if (hosts.some(({ value }) => value.toLowerCase() !== authority.toLowerCase())) {
    throw malformed('a Host that is not the :authority');
  }
  const others = hosts.length === 0 ? fields : fields.filter(({ key }) => key !== 'host');
  return [{ name: 'Host', key: 'host', value: authority }, ...others];
}

/** How a request's body is framed in HTTP/1.1; `ended`: there is none. Throws `HttpFault`. */
export function framingOf(head: RequestHead, ended: boolean): Framing {
  // HTTP/1.1 tells the length also of nothing, where something could be (RFC 9110, 8.6), and servers ask for it.
  if (ended) return enclosing.has(head.method) ? { kind: 'length', length: 0 } : { kind: 'none' };
  const lengths = head.fields.filter(({ key }) => key === 'content-length');
  if (lengths.length === 0) return { kind: 'chunked' };
  const value = lengths[0]?.value ?? '';
  if (lengths.length > 1 || !/^\d{1,15}$/.test(value)) {
    throw malformed('a content-length that is not one decimal number');
  }
  return { kind: 'length', length: Number(value) };
}

/** Fields as Node tells them, names and values in turn. Throws `HttpFault`. */
export function fieldsOf(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    fields.push(fieldOf(raw[index] ?? '', raw[index + 1] ?? ''));
  }
  return fields;
}

function fieldOf(key: string, value: string): Field {
  if (!isToken(key)) throw malformed('a field name that is no token');
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) throw malformed('a control character in a field');
  return { name: key, key, value };
}

/**
 * As Node takes them: small letters; what stands more than once is one list (RFC 9110, 5.3), but for cookies. What is of the
 * connection does not go into HTTP/2 (RFC 9113, 8.2.2).
 */
export function headersOf(fields: readonly Field[]): Record<string, string | string[]> {
  // Fields may be called as what every object has.
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (const { key, value } of fields) {
    if (key === 'http2-settings') continue;
    const before = headers[key];
    if (before === undefined) headers[key] = key === 'set-cookie' ? [value] : value;
    else if (typeof before === 'string') headers[key] = `${before}, ${value}`;
    else before.push(value);
  }
  return headers;
}
