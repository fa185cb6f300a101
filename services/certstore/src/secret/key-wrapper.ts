/**
 * The key-encryption key: what every data key is wrapped with, and the one secret that certstore is given.
 * Behind an interface that may wait, because a key management service may hold the key instead of this process.
 * `keyId` says which key wrapped an envelope; it is made from the key by a one-way function and tells nothing of it.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { open, seal } from './aes-gcm.ts';
import { certstoreError } from '../errors.ts';

/** Wraps and unwraps data keys. `context` is authenticated: a key wrapped in one context opens in no other. */
export interface KeyWrapper {
  /** Which key wraps. */
  readonly keyId: string;
  /** Says which key wrapped it: what is told apart by `keyId` may change while it is used. */
  wrap(dataKey: Buffer, context: Buffer): Promise<{ keyId: string; wrapped: Buffer }>;
  /** Rejects with `CERTSTORE_SECRET_DAMAGED` when the wrapped key was changed, `CERTSTORE_KEY_WRONG` when another wrapped it. */
  unwrap(keyId: string, wrapped: Buffer, context: Buffer): Promise<Buffer>;
  /** Whether it can unwrap what this key wrapped. */
  isFor(keyId: string): boolean;
}

const keyBytes = 32;

/** A key-encryption key given to this process: 32 bytes as base64. Throws `CERTSTORE_KEY_INVALID` for anything else. */
export function localKeyWrapper(base64: string): KeyWrapper {
  const key = parseKey(base64);
  const keyId = createHmac('sha256', key).update('postern key-encryption key id').digest('hex').slice(0, 16);
  return {
    keyId,
    wrap: async (dataKey, context) => ({ keyId, wrapped: seal(key, dataKey, context) }),
    unwrap: async (by, wrapped, context) => {
      if (by === keyId) return open(key, wrapped, context);
      throw certstoreError(
        'CERTSTORE_KEY_WRONG',
        `a stored secret was sealed with another key-encryption key than ${keyId}`,
      );
    },
    isFor: (id) => id === keyId,
  };
}

function parseKey(base64: string): KeyObject {
  const text = base64.trim();
  const bytes = Buffer.from(text, 'base64');
  // Buffer passes over what is not base64; a key that was cut or mistyped must not become another key.
  const wellFormed = bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  if (!wellFormed || bytes.length !== keyBytes) {
    throw certstoreError(
      'CERTSTORE_KEY_INVALID',
      `the key-encryption key must be ${keyBytes} bytes as base64, for example from "openssl rand -base64 32"; ` +
        (wellFormed ? `it has ${bytes.length}` : 'it is not base64'),
    );
  }
  return createSecretKey(bytes);
}
