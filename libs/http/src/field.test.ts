import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBytes } from './field.ts';

const signs = ['a', ' ', '\t', '\r', '\n', '\0', '\x1f', '\x7f', '\xff'];

/** Sign by sign, as RFC 9112 has it. */
function isTaken(section: string): boolean {
  return Array.from(section).every((sign, at) => {
    if (sign === '\r') return section[at + 1] === '\n';
    if (sign === '\n') return section[at - 1] === '\r';
    return sign === '\t' || (sign >= ' ' && sign !== '\x7f');
  });
}

test('a section is taken when each of its lines ends in CR LF and has no control character but a tab', () => {
  let sections = [''];
  for (let length = 0; length < 4; length += 1) {
    sections = sections.flatMap((before) => signs.map((sign) => before + sign));
    for (const section of sections.map((before) => `${before}\r\n\r\n`)) {
      if (isTaken(section)) checkBytes(section);
      else assert.throws(() => checkBytes(section), { code: 'HTTP_MALFORMED' }, JSON.stringify(section));
    }
  }
});
