/**
 * Who this client is: an Ed25519 key that it made itself and keeps in its state folder. The platform makes the client's
 * ID of the key's thumbprint, so the ID outlives a restart and nobody can take another's.
 *
 * The folder has numbered slots (`identity-1.pem`, `identity-1.lock`, …). A running client holds its slot by an open
 * SQLite transaction: the kernel lets go of it however the process ends, so a second client on the machine takes the
 * next slot and a restarted one finds its own again. A folder that cannot be used costs the ID, not the start.
 */
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readSecretFile } from '@postern/config';
import type { ClientPublicKey } from '@postern/contracts';

/** The most clients that share one folder; one more has a new key at each start. */
const identitySlotsMax = 64;

/** A client's key for the life of this process. */
export interface Identity {
  readonly publicKey: ClientPublicKey;
  /** RFC 7638, base64url. */
  readonly thumbprint: string;
  /** Random at each start; another boot of the same ID ends the former's streams. */
  readonly bootId: string;
  /** The file that keeps the key, or null when it lives in memory only. */
  readonly file: string | null;
  /** Why it lives in memory only. */
  readonly fault: unknown;
  /** An Ed25519 signature, base64url. */
  sign(text: string): string;
  /** Lets go of the slot. */
  close(): void;
}

/** Takes the first free slot of the folder, or a key in memory when there is none or the folder cannot be used. */
export function openIdentity(folder: string): Identity {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (let slot = 1; slot <= identitySlotsMax; slot += 1) {
      const lock = lockSlot(join(folder, `identity-${slot}.lock`));
      if (lock === null) continue;
      const file = join(folder, `identity-${slot}.pem`);
      try {
        return makeIdentity(readKey(file) ?? writeKey(file), file, null, lock);
      } catch (error) {
        lock.close();
        throw error;
      }
    }
    return makeIdentity(
      newKey(),
      null,
      new Error(`all ${identitySlotsMax} identities of ${folder} are in use`),
      null,
    );
  } catch (error) {
    return makeIdentity(newKey(), null, error, null);
  }
}

function makeIdentity(
  key: KeyObject,
  file: string | null,
  fault: unknown,
  lock: DatabaseSync | null,
): Identity {
  const { x = '' } = key.export({ format: 'jwk' });
  const publicKey: ClientPublicKey = { kty: 'OKP', crv: 'Ed25519', x };
  let held = lock;
  return {
    publicKey,
    thumbprint: thumbprintOf(publicKey),
    bootId: randomBytes(16).toString('base64url'),
    file,
    fault,
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64url'),
    close: () => {
      held?.close();
      held = null;
    },
  };
}

/** RFC 7638: the members in the order of their names, without spaces. */
function thumbprintOf({ crv, kty, x }: ClientPublicKey): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
}

function lockSlot(path: string): DatabaseSync | null {
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) return null;
    throw error;
  }
}

function isBusy(error: unknown): boolean {
  const sqliteBusy = 5;
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}

function newKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

/** The key in the file; null when there is none. One that cannot be read is a fault: it is never written over. */
function readKey(file: string): KeyObject | null {
  let pem: string;
  try {
    pem = readSecretFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${file} holds no Ed25519 key`);
  return key;
}

/** Written whole before it has its name, so that a crash leaves a key or none. */
function writeKey(file: string): KeyObject {
  const key = newKey();
  const descriptor = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(descriptor, key.export({ format: 'pem', type: 'pkcs8' }));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${file}.new`, file);
  return key;
}
