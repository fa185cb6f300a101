/** Texts of arguments as values of the API; each throws `CLI_ARGUMENT_INVALID` with what would be right. */
import { type AccessRule, parseAclFile } from '@postern/access';
import { CliError } from './errors.ts';

/** `HOST:PORT`, IPv6 in brackets; a path may follow where it is asked for. */
export function parseTarget(text: string): { host: string; port: number; path?: string } {
  const match = /^(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})(\/.*)?$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535) throw invalid(`${text} is no HOST:PORT`);
  return { host, port, ...(match?.[4] === undefined ? {} : { path: match[4] }) };
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

/** Rules as in an access-list file, with or without the word `acl` before each. */
export function parseRules(lines: readonly string[]): AccessRule[] {
  try {
    return parseAclFile(lines.map((line) => line.replace(/^\s*(?=(allow|deny)\s)/, 'acl ')).join('\n'));
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), error);
  }
}

function invalid(message: string, cause?: unknown): CliError {
  return new CliError('CLI_ARGUMENT_INVALID', message, cause === undefined ? {} : { cause });
}
