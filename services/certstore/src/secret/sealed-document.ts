/**
 * The documents that hold an envelope, in whichever collection: secrets and the key check as `sealed`, CAs as `sealedKey`.
 * Whoever goes through all of them is told which one is damaged, since an envelope does not know where it was found.
 */
import { ServiceError } from '@postern/contracts';
import type { StoredDocument } from '@postern/store';
import { authorityCollection } from '../authority/authority.ts';
import { secretCollection } from '../document.ts';
import { type SecretPlace, envelopeKeyId, openSecret } from './envelope.ts';
import { certstoreError } from '../errors.ts';
import { keyCheckPlace } from './key-check.ts';
import type { KeyWrapper } from './key-wrapper.ts';

/** What one has of all that they have. */
export interface SealedDocument extends StoredDocument {
  sealed?: string;
  sealedKey?: string;
  version?: number;
  keyVersion?: number;
}

/** Where they are. */
export const sealedCollections = [secretCollection, authorityCollection, keyCheckPlace.collection];

/** Which key-encryption key it is under. Throws `CERTSTORE_SECRET_DAMAGED` that names the document. */
export function keyIdOf(collection: string, document: SealedDocument): string {
  try {
    return envelopeKeyId(envelopeOf(document));
  } catch (error) {
    throw named(collection, document, error);
  }
}

/** Its secret. Rejects as `openSecret` does; `CERTSTORE_SECRET_DAMAGED` names the document. */
export async function openDocument(
  wrapper: KeyWrapper,
  collection: string,
  document: SealedDocument,
): Promise<Buffer> {
  try {
    return await openSecret(wrapper, placeOf(collection, document), envelopeOf(document));
  } catch (error) {
    throw named(collection, document, error);
  }
}

function envelopeOf({ sealed, sealedKey }: SealedDocument): string {
  return sealed ?? sealedKey ?? '';
}

/** What the envelope is bound to. */
export function placeOf(collection: string, { id, version, keyVersion }: SealedDocument): SecretPlace {
  return { collection, id, version: version ?? keyVersion ?? 1 };
}

const remedies: Readonly<Record<string, string>> = {
  [secretCollection]:
    'upload the certificate of that ID with its key again, or give the password of that ID again, or restore a backup',
};

function named(collection: string, { id }: SealedDocument, cause: unknown): unknown {
  if (!(cause instanceof ServiceError) || cause.code !== 'CERTSTORE_SECRET_DAMAGED') return cause;
  return certstoreError(
    'CERTSTORE_SECRET_DAMAGED',
    `the secret of ${id} in ${collection} was cut, changed, or moved there from another document (${cause.message}): ` +
      (remedies[collection] ?? 'restore a backup'),
    { cause },
  );
}
