/**
 * The fields of a head or a trailer section. What RFC 9112 lets a recipient repair (folded lines, bare LF, white space
 * before the colon) is refused: whoever repairs it otherwise would read another message.
 */
import { HttpFault, malformed } from './fault.ts';
import { keyOf } from './field-name.ts';

/** One field line. `key` is the name in small letters. */
export interface Field {
  name: string;
  key: string;
  value: string;
}

/** Bounds of a head. */
export interface HeadLimits {
  /** Bytes of the whole head, start line included. */
  headBytesMax: number;
  fieldsMax: number;
}

/** Lines without control characters but HTAB, each with CR LF behind it. It can be read in one way alone, so it is read once. */
// oxlint-disable-next-line no-control-regex
const wholeLines = /^(?:[^\0-\x08\x0a-\x1f\x7f]*\r\n)*$/;

/** Throws when a section, which ends in CR LF, has bytes that no section may have. */
export function checkBytes(text: string): void {
  if (!wholeLines.test(text)) throw malformed('a control character, or a line that does not end in CR LF');
}

/** The fields between `from` and the empty line at the text's end. `text` has been checked by `checkBytes`. */
export function parseFields(text: string, from: number, limits: HeadLimits): Field[] {
  const fields: Field[] = [];
  const end = text.length - 2;
  for (let at = from; at < end;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (fields.length === limits.fieldsMax) {
      throw new HttpFault('HTTP_HEAD_TOO_LONG', `more than ${limits.fieldsMax} fields`);
    }
    fields.push(parseField(text, at, lineEnd));
    at = lineEnd + 2;
  }
  return fields;
}

function parseField(text: string, from: number, to: number): Field {
  const colon = text.indexOf(':', from);
  if (colon < 0 || colon >= to) throw malformed('a field line without a colon, or a folded one');
  const name = text.slice(from, colon);
  const key = keyOf(name);
  if (key === null) throw malformed('a field name that is no token, or white space beside it');
  // Without a regular expression: for each of many spaces in the middle one would look for the end anew.
  let start = colon + 1;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return { name, key, value: text.slice(start, end) };
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The value of a field that may be there once; undefined when it is not there. Throws when it is there twice. */
export function single(fields: readonly Field[], key: string): string | undefined {
  let value: string | undefined;
  for (const field of fields) {
    if (field.key !== key) continue;
    if (value !== undefined) throw malformed(`more than one ${field.name} field`);
    value = field.value;
  }
  return value;
}

/** The members of a list field, in small letters; empty members are left out. */
export function listOf(fields: readonly Field[], key: string): string[] {
  const members: string[] = [];
  for (const field of fields) {
    if (field.key !== key) continue;
    for (const member of field.value.split(',')) {
      const text = member.trim().toLowerCase();
      if (text !== '') members.push(text);
    }
  }
  return members;
}
