/** The documents of certificates, and their secrets apart from them, so that no list ever loads a key. */
import type { Certificate } from '@postern/contracts';
import type { Collection, Store, StoredDocument } from '@postern/store';

/** A stored certificate: as it is shown, but for what is found out anew each time, and with its contents. */
export type CertificateDocument = Omit<Certificate, 'usedBy' | 'warnings'> & {
  /** The leaf first, then what signed it; of a CA bundle, all of it. */
  chainPem: string;
};

/** A private key or a password as an envelope, under the ID of what it belongs to. */
export interface SecretDocument extends StoredDocument {
  /** Counts replacements; the envelope is bound to it. */
  version: number;
  sealed: string;
  /** When it came; of passwords. */
  storedAt?: string;
  /** When it was found that no destination names it, where none did at the last look; of passwords. */
  unnamedSince?: string;
  /** Whose it is; of passwords. */
  gatewayId?: string;
}

/** The name of the collection that secrets are in; part of what their envelopes are bound to. */
export const secretCollection = 'certstore_secrets';

/** The collections behind certificates. */
export interface Documents {
  certificates: Collection<CertificateDocument>;
  secrets: Collection<SecretDocument>;
}

/** Makes them when they are missing. */
export async function openDocuments(store: Store): Promise<Documents> {
  return {
    certificates: await store.collection<CertificateDocument>('certstore_certificates'),
    secrets: await store.collection<SecretDocument>(secretCollection, { indexes: [['gatewayId']] }),
  };
}

/** Every collection of certstore. */
const names = [
  'certstore_authorities',
  'certstore_issued',
  'certstore_key_check',
  'certstore_certificates',
  secretCollection,
  'certstore_expiry',
];

/** Opens all of them, as migration and backup go through them. */
export async function ownedCollections(store: Store): Promise<Collection<StoredDocument>[]> {
  const opened: Collection<StoredDocument>[] = [];
  for (const name of names) opened.push(await store.collection(name));
  return opened;
}
