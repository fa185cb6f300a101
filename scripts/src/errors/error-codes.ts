/**
 * Error codes as the source has them, and as docs/ERRORS.md has them. In source a code is a quoted literal or an object's
 * key that begins with the name of its room; comments write codes in backticks and so do not count.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const places = ['libs', 'services', 'apps'];
/** Rooms whose codes are not named as their folder is. */
const renamed: Readonly<Record<string, string>> = { contracts: 'CONTRACT' };
/** Codes that belong to no room. */
const roomless = ['INTERNAL'];
/** Looks like codes of libs/tls, but is OpenSSL's names of ciphers. */
const cipher = /^TLS_(AES|CHACHA20)_/;

/** Every code in the source, with one file in which it stands. */
export function codesInSource(root: string): Map<string, string> {
  const pattern = codePattern(root);
  const codes = new Map<string, string>();
  for (const file of places.flatMap((place) => globSync(`${place}/*/src/**/*.ts`, { cwd: root }))) {
    if (file.endsWith('.test.ts')) continue;
    for (const match of readFileSync(join(root, file), 'utf8').matchAll(pattern)) {
      const code = match[2] ?? match[3];
      if (code !== undefined && !cipher.test(code)) codes.set(code, file);
    }
  }
  return codes;
}

/** Every code that has a row, once for each row, with the number of its cells. */
export function codesInPage(root: string): { code: string; cells: number }[] {
  const page = readFileSync(join(root, 'docs/ERRORS.md'), 'utf8');
  return [...page.matchAll(/^\| `([A-Z][A-Z0-9_]*)` \|.*$/gm)].map((match) => ({
    code: match[1] ?? '',
    cells: match[0].split(/(?<!\\)\|/).length - 2,
  }));
}

function codePattern(root: string): RegExp {
  const folders = places
    .flatMap((place) => globSync(`${place}/*/package.json`, { cwd: root }))
    .map((file) => basename(dirname(file)));
  const prefixes = folders.map((folder) => renamed[folder] ?? folder.toUpperCase());
  const code = `(?:(?:${prefixes.join('|')})_[A-Z0-9]+(?:_[A-Z0-9]+)*|${roomless.join('|')})`;
  return new RegExp(`(['"])(${code})\\1|^ *(${code}):`, 'gm');
}
