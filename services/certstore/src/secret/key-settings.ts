/**
 * Key-encryption keys as the settings say them: given to this process, held by a transit server, or both while one takes
 * the other's place. What can never be right ends the program (78); a transit server that does not answer is waited for.
 */
import { readFileSync } from 'node:fs';
import { ServiceError } from '@postern/contracts';
import { StoreError } from '@postern/store';
import { ExitCode, type Secret } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import { type Static, Type } from 'typebox';
import { transitOptions } from '../config.ts';
import { KeyRing, localKeys } from './key-ring.ts';
import type { KeyWrapper } from './key-wrapper.ts';
import { type TransitOptions, transitKeyWrapper } from './transit.ts';

/** Where the keys are. */
export interface KeySettings {
  /** 32 bytes, base64; several, one a line, with the newest first. May be empty where there is a transit server. */
  readonly keyEncryptionKey: string;
  /** Reads them anew, where they can change. */
  readonly readKeyEncryptionKey?: () => string;
  /** A key that a transit server holds; the newest, where there is one. */
  readonly transit?: TransitOptions | null;
}

const transitSchema = Type.Object(transitOptions);

/** The same of a program's settings. Throws `ExitError` (78) where a key is given and empty, or a CA's file cannot be read. */
export function keySettingsOf(
  settings: Static<typeof transitSchema> & { keyEncryptionKey?: Secret },
): KeySettings {
  const { keyEncryptionKey: own, transitUrl: url, transitToken, transitCaFile } = settings;
  const { transitMount: mount, transitKey: key } = settings;
  if (own?.reveal().trim() === '' && url === '') {
    const text = 'CERTSTORE_KEY_INVALID: the setting keyEncryptionKey is given, and has no key in it';
    throw new ExitError(ExitCode.configuration, text);
  }
  const token = (): string => transitToken?.current() ?? '';
  return {
    keyEncryptionKey: own?.reveal() ?? '',
    readKeyEncryptionKey: () => own?.current() ?? '',
    transit: url === '' ? null : { url, mount, key, token, caPem: readCa(transitCaFile) },
  };
}

function readCa(file: string): string | null {
  if (file === '') return null;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const text = `CERTSTORE_KEY_INVALID: the setting transitCaFile: ${(error as Error).message}`;
    throw new ExitError(ExitCode.configuration, text, { cause: error });
  }
}

/** Throws `ExitError` (78) unless every key is 32 bytes in base64, and the transit server's URL is one. */
export function checkKeySettings({ keyEncryptionKey, transit = null }: KeySettings): void {
  if (transit !== null && !/^https?:$/.test(URL.parse(transit.url)?.protocol ?? '')) {
    const text =
      'CERTSTORE_KEY_INVALID: the setting transitUrl must be http://HOST:PORT or https://HOST:PORT';
    throw new ExitError(ExitCode.configuration, text);
  }
  try {
    if (transit === null || keyEncryptionKey !== '') localKeys(keyEncryptionKey);
  } catch (error) {
    throw keyExitOf(error);
  }
}

/** The keys, which are read anew by the ring. */
export function openRing(settings: KeySettings): Promise<KeyRing> {
  return KeyRing.open(() => readKeys(settings));
}

/** Does it; rejects with `STORE_UNREACHABLE` while the transit server does not answer, without which no document can be read. */
export async function readingSecrets<R>(work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'CERTSTORE_TRANSIT_UNREACHABLE') throw error;
    throw new StoreError('STORE_UNREACHABLE', error.message, { cause: error });
  }
}

/** The error of a start, told as a matter of settings where it is one: a key that cannot be right. */
export function keyExitOf(error: unknown): unknown {
  if (!(error instanceof ServiceError)) return error;
  const { code, message } = error.body;
  if (!settingCodes.has(code)) return error;
  return new ExitError(ExitCode.configuration, `${code}: ${message}`, { cause: error });
}

const settingCodes: ReadonlySet<string> = new Set([
  'CERTSTORE_KEY_INVALID',
  'CERTSTORE_KEY_WRONG',
  'CERTSTORE_SECRET_DAMAGED',
]);

/** The newest first. */
async function readKeys({
  keyEncryptionKey,
  readKeyEncryptionKey,
  transit = null,
}: KeySettings): Promise<KeyWrapper[]> {
  const text = readKeyEncryptionKey?.() ?? keyEncryptionKey;
  const remote = transit === null ? [] : [await transitKeyWrapper(transit)];
  return [...remote, ...(transit !== null && text.trim() === '' ? [] : localKeys(text))];
}
