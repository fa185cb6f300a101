/**
 * AES-256-GCM with a random nonce, as one piece of bytes:
 *
 *   nonce 12 | ciphertext, as long as the plaintext | tag 16
 *
 * A key seals at most a few thousand pieces (data keys: one each), far below where random nonces wear out.
 */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import { certstoreError } from '../errors.ts';

const nonceBytes = 12;
const tagBytes = 16;

/** Encrypts, and authenticates `associated` with it. */
export function seal(key: KeyObject | Buffer, plaintext: Buffer, associated: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(associated);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts; throws `CERTSTORE_SECRET_DAMAGED` when key, bytes or `associated` are not those of `seal`. */
export function open(key: KeyObject | Buffer, sealed: Buffer, associated: Buffer): Buffer {
  if (sealed.length < nonceBytes + tagBytes) throw damaged();
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]);
  } catch (error) {
    throw damaged(error);
  }
}

function damaged(cause?: unknown): Error {
  return certstoreError(
    'CERTSTORE_SECRET_DAMAGED',
    'a stored secret does not open: it was changed, belongs to another document, or another key sealed it',
    { cause },
  );
}
