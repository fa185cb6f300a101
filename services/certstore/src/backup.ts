/**
 * What certstore has backed up: CAs, certificates and secrets, the latter as the envelopes that they are. A restore needs
 * the key-encryption keys that they are under, and is refused before anything is written where one is not here.
 */
import { type BackupSource, backupError } from '@postern/backup';
import { ServiceError } from '@postern/contracts';
import type { FeedOwner } from '@postern/replica';
import type { Store, StoredDocument } from '@postern/store';
import { Type, type TSchema } from 'typebox';
import { authorityCollection } from './authority/authority.ts';
import { ownedCollections, secretCollection } from './document.ts';
import { type KeyRing, printableKeyId } from './secret/key-ring.ts';
import { type SealedDocument, keyIdOf, openDocument, sealedCollections } from './secret/sealed-document.ts';

/** The least that a document has; the key check is not among them. */
const schemas: Record<string, TSchema> = {
  [authorityCollection]: Type.Object({
    certificatePem: Type.String(),
    sealedKey: Type.String(),
    keyVersion: Type.Integer(),
  }),
  [secretCollection]: Type.Object({ version: Type.Integer(), sealed: Type.String() }),
  certstore_certificates: Type.Object({
    name: Type.String(),
    chainPem: Type.String(),
    contentRevision: Type.Integer(),
  }),
  certstore_issued: Type.Object({ fingerprint: Type.String(), notAfter: Type.String() }),
  certstore_expiry: Type.Object({ contentRevision: Type.Integer(), days: Type.Integer() }),
};

/** The owner's side of it. What is under which key here stays: the key check is this platform's own. */
export async function backupSource(store: Store, ring: KeyRing, feed: FeedOwner): Promise<BackupSource> {
  const owned = await ownedCollections(store);
  return {
    room: 'certstore',
    collections: owned
      .filter(({ name }) => name in schemas)
      .map((collection) => ({
        collection,
        schema: schemas[collection.name] ?? Type.Never(),
        // What was signed here stays in the list.
        restore: collection.name === 'certstore_issued' ? 'add' : 'replace',
        fills: collection.name === 'certstore_certificates',
      })),
    feeds: [feed],
    keyIdOf: (name, document) => (sealedCollections.includes(name) ? keyIdOf(name, document) : null),
    check: (documents) => checkKeys(documents, ring),
  };
}

/** One secret of each key is opened, so that a key of the same name that is another is found too. */
async function checkKeys(
  contents: ReadonlyMap<string, readonly StoredDocument[]>,
  ring: KeyRing,
): Promise<void> {
  const opened = new Set<string>();
  for (const [name, documents] of contents) {
    if (!sealedCollections.includes(name)) continue;
    for (const document of documents as readonly SealedDocument[]) {
      let keyId = '';
      try {
        keyId = keyIdOf(name, document);
        if (opened.has(keyId)) continue;
        (await openDocument(ring, name, document)).fill(0);
      } catch (cause) {
        if (!(cause instanceof ServiceError)) throw cause;
        if (cause.code === 'CERTSTORE_KEY_WRONG') throw keyMissing(keyId, ring, cause);
        if (cause.code === 'CERTSTORE_SECRET_DAMAGED') throw damaged(`${document.id} of ${name}`, cause);
        throw cause;
      }
      opened.add(keyId);
    }
  }
}

function damaged(document: string, cause: unknown): Error {
  return backupError(
    'BACKUP_DAMAGED',
    `the part of certstore cannot be used: the secret of ${document} does not open. It was so when the backup was ` +
      'made; restore an older one, or mend it there (upload that certificate again) and make another',
    { cause },
  );
}

function keyMissing(keyId: string, ring: KeyRing, cause: unknown): Error {
  return backupError(
    'BACKUP_KEY_MISSING',
    `the private keys of the backup are under the key-encryption key ${printableKeyId(keyId)}, and certstore has ${ring.keyIds.join(', ')}: ` +
      'put the key of the platform that was backed up below its own, one a line, and restore again (restart certstore before, where its key is in a variable)',
    { cause },
  );
}
