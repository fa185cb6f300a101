/** What an owner says of its documents, so that they can be backed up and restored. */
import type { FeedOwner } from '@postern/replica';
import type { Collection, StoredDocument } from '@postern/store';
import type { BackupRoom } from '@postern/contracts';
import type { TSchema } from 'typebox';

/** A collection, and what a restore does with what is there. */
export interface BackedUpCollection {
  readonly collection: Collection<StoredDocument>;
  /** `replace`: afterwards there is what is in the backup and nothing else. `add`: what is there beside it stays. */
  readonly restore: 'replace' | 'add';
  /** The least that a document of its version has; a backup comes from outside. */
  readonly schema: TSchema;
  /** Whether a document in it means that the platform is in use, and may be overwritten only when that is asked for. */
  readonly fills: boolean;
  /** A document without what holds only for the platform that it comes from; all of it holds where there is no such function. */
  readonly arrived?: (document: StoredDocument) => StoredDocument;
  /** With `replace`: what stays all the same of a document that is not in the backup; `by` is the API key that restores. */
  readonly left?: (document: StoredDocument, by: string | null) => StoredDocument | null;
}

/** An owner. */
export interface BackupSource {
  readonly room: BackupRoom;
  readonly collections: readonly BackedUpCollection[];
  /** Everybody who follows them fetches everything after a restore. */
  readonly feeds: readonly FeedOwner[];
  /** The key-encryption keys that a collection's documents are under. */
  readonly keyIdOf?: (collection: string, document: StoredDocument) => string | null;
  /** Throws unless this owner can use the documents; nothing has been written yet. */
  readonly check?: (documents: ReadonlyMap<string, readonly StoredDocument[]>) => Promise<void>;
  /** What whoever restores is to know of these documents in place of those that are here, a sentence each. */
  readonly warnings?: (documents: ReadonlyMap<string, readonly StoredDocument[]>) => Promise<string[]>;
}
