/**
 * How long a message's body is (RFC 9112, 6.3). Where two fields could each say it, the message is refused, though
 * the RFC would let one of them win: what stands behind the gateway might take the other.
 */
import { HttpFault, malformed } from './fault.ts';
import { type Field, single } from './field.ts';
import type { RequestHead, ResponseHead } from './head.ts';

/** What ends a body. `close`: the end of the connection. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' };

const none: Framing = { kind: 'none' };
const chunked: Framing = { kind: 'chunked' };
const close: Framing = { kind: 'close' };
const digits = /^\d{1,15}$/;

/** The framing of a request's body. */
export function requestFraming(head: RequestHead): Framing {
  const { coding, length } = framingFields(head.fields);
  if (coding === undefined)
    return length === undefined ? none : { kind: 'length', length: readLength(length) };
  if (length !== undefined) throw malformed('both Content-Length and Transfer-Encoding');
  if (head.minor === 0) throw malformed('Transfer-Encoding in HTTP/1.0');
  checkChunked(coding);
  return chunked;
}

/** The framing of a response's body, given the method that it answers. */
export function responseFraming(head: ResponseHead, method: string): Framing {
  if (method === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304) return none;
  const { coding, length } = framingFields(head.fields, true);
  if (coding === undefined)
    return length === undefined ? close : { kind: 'length', length: readLength(length) };
  if (length !== undefined) throw malformed('both Content-Length and Transfer-Encoding');
  if (head.minor === 0) throw malformed('Transfer-Encoding in HTTP/1.0');
  checkChunked(coding);
  return chunked;
}

/** The length that a body would have, to be told though there is none: for HEAD and 304, never with 204. */
export function lengthOfNone({ status, fields }: ResponseHead): string | null {
  if (status === 204) return null;
  const length = fields.find(({ key }) => key === 'content-length')?.value;
  return length !== undefined && /^\d{1,15}$/.test(length) ? length : null;
}

function framingFields(
  fields: readonly Field[],
  response = false,
): { coding: string | undefined; length: string | undefined } {
  const coding = single(fields, 'transfer-encoding');
  if (!response) return { coding, length: single(fields, 'content-length') };
  let length: string | undefined;
  for (const field of fields) {
    if (field.key !== 'content-length') continue;
    if (length !== undefined && length !== field.value)
      throw malformed('two Content-Length fields that differ');
    length = field.value;
  }
  return { coding, length };
}

function readLength(value: string): number {
  if (!digits.test(value)) throw malformed('a Content-Length that is not one decimal number');
  return Number(value);
}

function checkChunked(coding: string): void {
  const text = coding.toLowerCase();
  if (text === 'chunked') return;
  if (/^(?:x-)?(?:gzip|compress|deflate)(?:[ \t]*,[ \t]*chunked)?$/.test(text)) {
    throw new HttpFault('HTTP_CODING', 'no transfer coding but chunked is taken');
  }
  throw malformed('a Transfer-Encoding that is not chunked');
}
