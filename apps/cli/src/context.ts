/**
 * Which platform a command is for: the file that standalone and `pnpm cluster` write, or address, key and CA one by
 * one. A key is only ever read from a file, so that it is in no list of processes.
 */
import { readBoundedText, readCaFile, secretFileBytesMax } from '@postern/config';
import { CliError } from './errors.ts';

/** What the global options say. */
export interface ContextOptions {
  readonly operatorFile?: string;
  readonly url?: string;
  readonly keyFile?: string;
  readonly ca?: string;
}

/** A platform and the right to ask it. */
export interface Context {
  readonly url: URL;
  readonly apiKey: string;
  /** Null: the usual CAs. */
  readonly caPem: string | null;
}

/** Reads it. What is given one by one overrides the file, which is read only where something is not. */
export function readContext({ operatorFile, url, keyFile, ca }: ContextOptions): Context {
  const isWhole = url !== undefined && keyFile !== undefined && ca !== undefined;
  const file =
    isWhole || operatorFile === undefined || operatorFile === '' ? {} : readOperatorFile(operatorFile);
  const adminUrl = url ?? file.adminUrl;
  const apiKey = keyFile === undefined ? file.apiKey : readKey(keyFile);
  const caFile = ca ?? file.caFile;
  if (adminUrl === undefined || apiKey === undefined) {
    throw new CliError(
      'CLI_CONTEXT_MISSING',
      'which platform? Give --operator-file FILE (or POSTERN_OPERATOR), or --url URL with --key-file FILE',
    );
  }
  return { url: readUrl(adminUrl), apiKey, caPem: caFile === undefined ? null : readCa(caFile) };
}

function readOperatorFile(path: string): { adminUrl?: string; apiKey?: string; caFile?: string } {
  const text = read(path);
  try {
    const { adminUrl, apiKey, caFile } = JSON.parse(text) as Record<string, unknown>;
    if (typeof adminUrl === 'string' && typeof apiKey === 'string' && typeof caFile === 'string') {
      return { adminUrl, apiKey, caFile };
    }
  } catch {
    // Told below.
  }
  throw new CliError('CLI_CONTEXT_INVALID', `${path} is no operator.json or cluster.json`);
}

/** As an HTTP header can carry it. */
function readKey(path: string): string {
  const key = read(path).trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new CliError('CLI_CONTEXT_INVALID', `${path} has no API key: one line without blanks`);
}

function readCa(path: string): string {
  try {
    return readCaFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError('CLI_CONTEXT_INVALID', `--ca, or caFile of the operator file: ${why}`, {
      cause: error,
    });
  }
}

function readUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'https:' && url.username + url.password === '') return url;
  if (url !== null && url.username + url.password !== '')
    throw new CliError(
      'CLI_CONTEXT_INVALID',
      'the address of the admin API has no user and no password in it',
    );
  throw new CliError('CLI_CONTEXT_INVALID', `${JSON.stringify(text)} is no https://HOST[:PORT]`);
}

function read(path: string): string {
  try {
    return readBoundedText(path, secretFileBytesMax);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError('CLI_CONTEXT_INVALID', `${path} cannot be read: ${why}`, { cause: error });
  }
}
