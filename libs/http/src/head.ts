/**
 * Heads of HTTP/1.1 messages: from the bytes up to the empty line to plain data. One reading only; a head that could be
 * read in two ways is refused.
 */
import { HttpFault, malformed } from './fault.ts';
import { type Field, type HeadLimits, checkBytes, listOf, parseFields } from './field.ts';

/** A request's head. */
export interface RequestHead {
  method: string;
  target: string;
  /** The x of HTTP/1.x; 1 also of a higher one, which is read as the highest that is known (RFC 9110, 2.5). */
  minor: 0 | 1;
  fields: Field[];
}

/** A response's head. */
export interface ResponseHead {
  status: number;
  reason: string;
  minor: 0 | 1;
  fields: Field[];
}

const targetCharactersMax = 8_192;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e\x80-\xff]+) HTTP\/(\d)\.(\d)$/;
const statusLine = /^HTTP\/1\.(\d) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const answerBeginning = Buffer.from('HTTP/1.');
const emptyLine = Buffer.from('\r\n\r\n');
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/**
 * Where the head that begins at `from` ends (behind its empty line); -1 when there is more to come. Throws when it
 * already is too long, or has a line that ends in a bare LF, for which nobody should wait. Of the head's first
 * `known` bytes that has been asked before, and they are not looked through again.
 */
export function findHeadEnd(bytes: Buffer, from: number, limits: HeadLimits, known = 0): number {
  const fresh = from + Math.max(0, known - emptyLine.length + 1);
  const at = bytes.indexOf(emptyLine, fresh);
  const length = (at < 0 ? bytes.length : at + emptyLine.length) - from;
  if (length > limits.headBytesMax) throw tooLong(bytes, from, limits);
  if (at >= 0) return at + emptyLine.length;
  for (let lf = bytes.indexOf(lineFeed, fresh); lf >= 0; lf = bytes.indexOf(lineFeed, lf + 1)) {
    if (lf === from || bytes[lf - 1] !== carriageReturn) throw malformed('a line that does not end in CR LF');
  }
  return -1;
}

/** Throws when what begins at `from` will be no answer, however it goes on. */
export function checkAnswerBegins(bytes: Buffer, from: number): void {
  const length = Math.min(answerBeginning.length, bytes.length - from);
  if (bytes.compare(answerBeginning, 0, length, from, from + length) !== 0)
    throw malformed('it does not begin with HTTP/1.: does another protocol answer on this port?');
}

/** Whether the message is the last of its connection. */
export function endsConnection({ fields, minor }: RequestHead | ResponseHead): boolean {
  const options = listOf(fields, 'connection');
  return options.includes('close') || (minor === 0 && !options.includes('keep-alive'));
}

/** Where a request begins: empty lines before it are passed over (RFC 9112, 2.2). */
export function skipEmptyLines(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === carriageReturn && bytes[at + 1] === lineFeed) at += 2;
  return at;
}

/** The head in `text`, which ends with its empty line. */
export function parseRequestHead(text: string, limits: HeadLimits): RequestHead {
  checkBytes(text);
  const lineEnd = text.indexOf('\r\n');
  const match = requestLine.exec(text.slice(0, lineEnd));
  if (match === null) throw malformed('a request line that is not "method target HTTP/1.1"');
  const [, method = '', written = '', major, minor] = match;
  if (major !== '1') {
    throw new HttpFault('HTTP_VERSION', 'only HTTP/1.1, HTTP/1.0 and HTTP/2 are spoken here');
  }
  const target = encodeTarget(written);
  if (target.length > targetCharactersMax) throw targetTooLong();
  return { method, target, minor: minor === '0' ? 0 : 1, fields: parseFields(text, lineEnd + 2, limits) };
}

/** The same of a response. */
export function parseResponseHead(text: string, limits: HeadLimits): ResponseHead {
  checkBytes(text);
  const lineEnd = text.indexOf('\r\n');
  const match = statusLine.exec(text.slice(0, lineEnd));
  if (match === null) throw malformed('a status line that is not "HTTP/1.1 status reason"');
  const [, minor, status, reason = ''] = match;
  return {
    status: Number(status),
    reason,
    minor: minor === '0' ? 0 : 1,
    fields: parseFields(text, lineEnd + 2, limits),
  };
}

function tooLong(bytes: Buffer, from: number, limits: HeadLimits): HttpFault {
  const line = bytes.indexOf(lineFeed, from);
  return line < 0 || line - from > targetCharactersMax ? targetTooLong() : headTooLong(limits);
}

function targetTooLong(): HttpFault {
  return new HttpFault(
    'HTTP_TARGET_TOO_LONG',
    `a request target has at most ${targetCharactersMax} characters`,
  );
}

function headTooLong({ headBytesMax }: HeadLimits): HttpFault {
  return new HttpFault('HTTP_HEAD_TOO_LONG', `a head has at most ${headBytesMax} bytes`);
}

/** Holds a head that came otherwise than as text to the same bounds. Throws `HttpFault`. */
export function checkHeadSize(
  { target, fields }: Pick<RequestHead, 'target' | 'fields'>,
  limits: HeadLimits,
): void {
  if (target.length > targetCharactersMax) throw targetTooLong();
  let bytes = target.length;
  for (const { name, value } of fields) bytes += name.length + value.length + ': \r\n'.length;
  if (bytes > limits.headBytesMax || fields.length > limits.fieldsMax) throw headTooLong(limits);
}

/** Bytes beyond ASCII, which curl and others send as they are, in the one form that a URL has (RFC 3986, 2.1). */
export function encodeTarget(latin1: string): string {
  return latin1.replaceAll(
    /[\x80-\xff]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
