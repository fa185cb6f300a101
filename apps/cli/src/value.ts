/** Texts of arguments as values of the API; each throws `CLI_ARGUMENT_INVALID` with what would be right. */
import { type AccessRule, parseAclFile } from '@postern/access';
import { readBoundedBytes, readBoundedText, secretFileBytesMax } from '@postern/config';
import { CliError } from './errors.ts';

/** `HOST:PORT`, IPv6 in brackets; a path may follow. A line of a file may end as Windows ends it. */
export function parseTarget(text: string): { host: string; port: number; path?: string } {
  const match = /^(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})(\/.*)?$/.exec(text.trim());
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535)
    throw invalid(`${JSON.stringify(text)} is no HOST:PORT`);
  return { host, port, ...(match?.[4] === undefined ? {} : { path: match[4] }) };
}

/** The same without a path. */
export function parseHostPort(text: string): { host: string; port: number } {
  const { path, ...target } = parseTarget(text);
  if (path === undefined) return target;
  const instead = `callers name the path ${path} themselves, to a front for HTTP: --data '{"front":{"protocol":"http"}}'`;
  throw invalid(`${JSON.stringify(text)} is no HOST:PORT; ${instead}`);
}

/** `socks5://USER@HOST:PORT`, also socks4 and socks4a; a password in it is refused, since others see arguments. */
export function parseProxy(text: string): { type: string; host: string; port: number; username?: string } {
  const match = /^(socks4a?|socks5):\/\/(?:([^@/]*)@)?(.+)$/.exec(text);
  // What it is else may have a password in it, so it is not repeated.
  if (match === null) throw invalid('--proxy takes socks4://, socks4a:// or socks5://[USER@]HOST:PORT');
  const [, type = '', user, target = ''] = match;
  if (user?.includes(':') === true)
    throw invalid('a password does not belong into an argument: give it by --proxy-password-file');
  const { host, port } = parseTarget(target);
  return { type, host, port, ...(user === undefined ? {} : { username: decodeUser(user) }) };
}

function decodeUser(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw invalid(`${text} is no user as a URL has it: write % as %25`, error);
  }
}

/** `NAME=ADDRESS`, several with commas between them. */
export function parseHosts(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => /^([^=]+)=([^=]+)$/.exec(pair.trim()) ?? []);
  return Object.fromEntries(
    pairs.map(([, name, address]) => {
      if (name === undefined || address === undefined) throw invalid(`${text} is no NAME=ADDRESS`);
      return [name, address];
    }),
  );
}

/** The bytes of a file that an argument names. */
export function readNamed(file: string, bytesMax: number): Buffer {
  return named(file, () => readBoundedBytes(file, bytesMax));
}

/** Its text, which must be in UTF-8. */
export function readNamedText(file: string, bytesMax: number): string {
  return named(file, () => readBoundedText(file, bytesMax));
}

function named<Contents>(file: string, read: () => Contents): Contents {
  try {
    return read();
  } catch (error) {
    throw invalid(`${file} cannot be read: ${error instanceof Error ? error.message : ''}`, error);
  }
}

/** The first line of a file. */
export function readSecret(file: string): string {
  const [line = ''] = readNamedText(file, secretFileBytesMax).split(/\r?\n/, 1);
  if (line !== '') return line;
  throw invalid(`${file} is empty`);
}

/** A whole number of at least 0. */
export function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isInteger(number) || number < 0)
    throw invalid(`${text} is no whole number`);
  return number;
}

/** A JSON object. */
export function parseData(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below.
  }
  throw invalid('--data takes a JSON object');
}

/** Rules as in an access-list file, of which a text may have many lines, with or without the word `acl` before each. */
export function parseRules(texts: readonly string[]): AccessRule[] {
  try {
    return parseAclFile(texts.join('\n').replaceAll(/^(?=[^\S\n]*(allow|deny)\s)/gm, 'acl '));
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), error);
  }
}

/** Rules that are to be added: `no acl` would be taken and do nothing, so it is refused. Throws `CLI_ARGUMENT_INVALID`. */
export function parseAddedRules(lines: readonly string[]): AccessRule[] {
  if (lines.some((line) => /^\s*no\s/m.test(line))) {
    throw invalid('add takes allow and deny only; to take rules away, set the list that is to be left');
  }
  return parseRules(lines);
}

function invalid(message: string, cause?: unknown): CliError {
  return new CliError('CLI_ARGUMENT_INVALID', message, cause === undefined ? {} : { cause });
}
