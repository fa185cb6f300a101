/**
 * Finds out at start whether the key-encryption key is the one that this store's secrets were sealed with, before
 * anything is sealed with a wrong one. The first start seals a known text; every other one must open it.
 */
import type { Store, StoredDocument } from '@postern/store';
import { ServiceError } from '@postern/contracts';
import { isDuplicate } from '../authority/authority.ts';
import { openSecret, sealSecret } from './envelope.ts';
import { certstoreError } from '../errors.ts';
import type { KeyWrapper } from './key-wrapper.ts';

interface KeyCheckDocument extends StoredDocument {
  /** The known text as an envelope. */
  sealed: string;
}

/** Where the known text is. */
export const keyCheckPlace = { collection: 'certstore_key_check', id: 'current', version: 1 };
const knownText = 'postern key check';

/** Rejects with `CERTSTORE_KEY_WRONG` unless the key opens what was sealed at the first start; `CERTSTORE_SECRET_DAMAGED` when that is none. */
export async function checkKey(store: Store, wrapper: KeyWrapper): Promise<void> {
  const documents = await store.collection<KeyCheckDocument>(keyCheckPlace.collection);
  const sealed = await sealSecret(wrapper, keyCheckPlace, Buffer.from(knownText));
  const document =
    (await documents.get(keyCheckPlace.id)) ??
    (await documents.insert({ id: keyCheckPlace.id, revision: 1, sealed }).catch(async (error: unknown) => {
      const other = isDuplicate(error) ? await documents.get(keyCheckPlace.id) : null;
      if (other === null) throw error;
      return other;
    }));
  try {
    await openSecret(wrapper, keyCheckPlace, document.sealed);
  } catch (error) {
    const code = error instanceof ServiceError ? error.code : null;
    if (code === 'CERTSTORE_KEY_WRONG') throw wrongKey(wrapper, error);
    throw code === 'CERTSTORE_SECRET_DAMAGED' ? damaged(error as ServiceError) : error;
  }
}

/** Whether a start has come so far that what this store has is under a key-encryption key. */
export async function hasSecrets(store: Store): Promise<boolean> {
  const documents = await store.collection<KeyCheckDocument>(keyCheckPlace.collection);
  return (await documents.get(keyCheckPlace.id)) !== null;
}

/** Without it a wrong key is still found, by the CAs, so it may be made anew. */
function damaged(cause: ServiceError): ServiceError {
  return certstoreError(
    'CERTSTORE_SECRET_DAMAGED',
    `the document ${keyCheckPlace.id} of ${keyCheckPlace.collection}, by which the key-encryption key is checked, does not open ` +
      `(${cause.message}). Where the key is sure to be the one of the first start, delete it, and the next start makes it ` +
      'anew; then find out who writes there',
    { cause },
  );
}

function wrongKey(wrapper: KeyWrapper, cause: unknown): ServiceError {
  return certstoreError(
    'CERTSTORE_KEY_WRONG',
    `the secrets in this store were sealed with another key-encryption key than ${wrapper.keyId}; ` +
      'start certstore with the key that it was first started with',
    { cause },
  );
}
