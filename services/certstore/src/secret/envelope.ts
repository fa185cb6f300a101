/**
 * A secret at rest. Each one has a data key of its own, made anew at every seal, which is wrapped by the
 * key-encryption key; both layers are AES-256-GCM and bound to the document: collection, ID and the version of the
 * secret. So an envelope that was changed in any bit, moved to another document, or put back from an older version
 * does not open. Stored as one base64 text:
 *
 *   format 1 | key ID length 1 | key ID | wrapped length 2 | wrapped data key | sealed secret
 *   └───────────────── head, authenticated by the last part ────────────────┘
 *
 * It does not choose the key and keeps no cache: a secret is opened when it is needed, and its data key cleared.
 */
import { randomBytes } from 'node:crypto';
import { open, seal } from './aes-gcm.ts';
import { certstoreError } from '../errors.ts';
import type { KeyWrapper } from './key-wrapper.ts';

/** Which document a secret belongs to. `version` counts the secret's own replacements. */
export interface SecretPlace {
  collection: string;
  id: string;
  version: number;
}

/** Of a data key. */
export const dataKeyBytes = 32;

const format = 1;
const secretBytesMax = 1024 * 1024;

/** Seals a secret for one place. */
export async function sealSecret(wrapper: KeyWrapper, place: SecretPlace, secret: Buffer): Promise<string> {
  if (secret.length > secretBytesMax) throw new RangeError(`a secret has at most ${secretBytesMax} bytes`);
  const dataKey = randomBytes(dataKeyBytes);
  try {
    const { keyId, wrapped } = await wrapper.wrap(dataKey, associated('data key', place));
    const head = encodeHead(keyId, wrapped);
    const sealed = seal(dataKey, secret, associated('secret', place, head));
    return Buffer.concat([head, sealed]).toString('base64');
  } finally {
    dataKey.fill(0);
  }
}

/**
 * Opens a secret. Rejects with `CERTSTORE_SECRET_DAMAGED` when it was not sealed for this place or was changed,
 * `CERTSTORE_KEY_WRONG` when another key-encryption key sealed it.
 */
export async function openSecret(wrapper: KeyWrapper, place: SecretPlace, envelope: string): Promise<Buffer> {
  const { keyId, wrapped, head, sealed } = decode(envelope);
  const dataKey = await wrapper.unwrap(keyId, wrapped, associated('data key', place));
  try {
    return open(dataKey, sealed, associated('secret', place, head));
  } finally {
    dataKey.fill(0);
  }
}

/** Which key-encryption key sealed it. Throws `CERTSTORE_SECRET_DAMAGED` when it is no envelope. */
export function envelopeKeyId(envelope: string): string {
  return decode(envelope).keyId;
}

function encodeHead(keyId: string, wrapped: Buffer): Buffer {
  const id = Buffer.from(keyId, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(wrapped.length);
  return Buffer.concat([Buffer.from([format, id.length]), id, length, wrapped]);
}

function decode(envelope: string): { keyId: string; wrapped: Buffer; head: Buffer; sealed: Buffer } {
  const bytes = Buffer.from(envelope, 'base64');
  // Several texts decode to the same bytes; only the one that sealSecret writes is taken.
  if (bytes.toString('base64') !== envelope || bytes[0] !== format) throw malformed();
  const keyIdEnd = 2 + (bytes[1] ?? 0);
  if (bytes.length < keyIdEnd + 2) throw malformed();
  const headEnd = keyIdEnd + 2 + bytes.readUInt16BE(keyIdEnd);
  if (bytes.length < headEnd) throw malformed();
  return {
    keyId: bytes.toString('utf8', 2, keyIdEnd),
    wrapped: bytes.subarray(keyIdEnd + 2, headEnd),
    head: bytes.subarray(0, headEnd),
    sealed: bytes.subarray(headEnd),
  };
}

/** Each part with its length before it, so that no two places give the same bytes. */
function associated(layer: string, place: SecretPlace, head: Buffer = Buffer.alloc(0)): Buffer {
  const parts = ['postern envelope', layer, place.collection, place.id, String(place.version)];
  const pieces = [...parts.map((part) => Buffer.from(part, 'utf8')), head];
  return Buffer.concat(pieces.flatMap((piece) => [lengthOf(piece), piece]));
}

function lengthOf(piece: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(piece.length);
  return length;
}

function malformed(): Error {
  return certstoreError(
    'CERTSTORE_SECRET_DAMAGED',
    'a stored secret is not an envelope: it was cut or changed',
  );
}
