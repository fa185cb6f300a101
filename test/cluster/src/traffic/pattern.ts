/**
 * Bytes that look random, are made at gigabytes a second, and can be made again from their seed: AES-CTR over zeros.
 * So both ends of a test know every byte without keeping or sending it.
 */
import { createCipheriv, createHash, type Hash } from 'node:crypto';

const CHUNK_BYTES = 64 * 1024;
const zeros = Buffer.alloc(CHUNK_BYTES);

/** The first `bytes` bytes of the pattern of that seed, in chunks of 64 KiB. */
export function* pattern(seed: number, bytes: number): Generator<Buffer, void, undefined> {
  const key = Buffer.alloc(16);
  key.writeDoubleBE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros);
  }
}

/** The pattern as one buffer. */
export function patternBuffer(seed: number, bytes: number): Buffer {
  return Buffer.concat([...pattern(seed, bytes)]);
}

/** The hash that `hashOf` and the exchange use. */
export function newHash(): Hash {
  return createHash('sha256');
}

/** The hash of the pattern. */
export function patternHash(seed: number, bytes: number): string {
  const hash = newHash();
  for (const chunk of pattern(seed, bytes)) hash.update(chunk);
  return hash.digest('hex');
}
