/** The documents that hold an envelope, in whichever collection: secrets and the key check as `sealed`, CAs as `sealedKey`. */
import type { StoredDocument } from '@postern/store';
import { authorityCollection } from './authority.ts';
import { secretCollection } from './document.ts';
import type { SecretPlace } from './envelope.ts';
import { keyCheckPlace } from './key-check.ts';

/** What one has of all that they have. */
export interface SealedDocument extends StoredDocument {
  sealed?: string;
  sealedKey?: string;
  version?: number;
  keyVersion?: number;
}

/** Where they are. */
export const sealedCollections = [secretCollection, authorityCollection, keyCheckPlace.collection];

/** The envelope. */
export function envelopeOf({ sealed, sealedKey }: SealedDocument): string {
  return sealed ?? sealedKey ?? '';
}

/** What the envelope is bound to. */
export function placeOf(collection: string, { id, version, keyVersion }: SealedDocument): SecretPlace {
  return { collection, id, version: version ?? keyVersion ?? 1 };
}
