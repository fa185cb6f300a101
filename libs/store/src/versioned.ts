/**
 * Documents carry the version in which they were stored, and the oldest that can work with them; documents of version 1
 * carry none, so a collection that was never changed costs nothing.
 *
 *   stored older   read through the steps that are missing, stored in the program's version when it is written
 *   stored newer   read as it is where its steps were compatible; else STORE_DOCUMENT_NEWER
 */
import { checkDocument } from './document.ts';
import { StoreError } from './store-error.ts';
import type { Collection, DocumentStep, StoredDocument } from './store.ts';

/** A collection's steps. */
export type Steps = readonly DocumentStep[];

/** The stored field that says in which version a document is; absent, it is 1. */
export const versionField = 'documentVersion';

interface Stamped extends StoredDocument {
  documentVersion?: number;
  /** The oldest version whose programs can work with it. */
  documentReadableFrom?: number;
}

/** The version that a collection with these steps is of. */
export function versionOf(steps: Steps): number {
  return steps.length + 1;
}

/** The oldest version whose programs can work with documents of the newest. */
export function readableFrom(steps: Steps): number {
  return steps.findLastIndex(({ compatible }) => !compatible) + 2;
}

/** A document of an earlier version in that of the steps. */
export function upgrade(document: StoredDocument, from: number, steps: Steps): StoredDocument {
  const missing = steps.slice(from - 1);
  return missing.reduce(
    (older, { change }) => change(older as StoredDocument & Record<string, unknown>),
    document,
  );
}

/** Throws `STORE_DOCUMENT_NEWER` unless a program of these steps can work with that version. */
export function checkReadable(what: string, version: number, oldest: number, steps: Steps): void {
  if (version <= versionOf(steps) || oldest <= versionOf(steps)) return;
  throw new StoreError(
    'STORE_DOCUMENT_NEWER',
    `${what} is of version ${version}, and this program knows ${versionOf(steps)}: run the version of Postern that wrote it, or a newer one`,
  );
}

/** A collection as it is stored, whatever version its documents are of. */
export type Stored<T extends StoredDocument> = Omit<Collection<T>, 'name' | 'steps' | 'unique'>;

/** The collection in the version of its steps. */
export function versioned<T extends StoredDocument>(
  { name, steps, unique }: Pick<Collection<T>, 'name' | 'steps' | 'unique'>,
  stored: Stored<T>,
): Collection<T> {
  const read = <D extends T | null>(document: D): D =>
    document === null ? document : (open(document, name, steps) as D);
  const write = (document: T): T => stamp(document, steps) as T;
  return {
    name,
    steps,
    unique,
    get: async (id) => read(await stored.get(id)),
    find: async (filter) => read(await stored.find(filter)),
    list: async (options) => {
      const { items, nextCursor } = await stored.list(options);
      return { items: items.map((item) => read(item)), nextCursor };
    },
    count: (filter) => stored.count(filter),
    insert: async (document) => read(await stored.insert(write(document))),
    replace: async (document) => read(await stored.replace(write(document))),
    put: (document) => stored.put(write(document)),
    delete: (id, revision) => stored.delete(id, revision),
  };
}

/** The document as a read gives it after `put`. Throws what either would: it can be stored, or never. */
export function storable(
  document: StoredDocument,
  { name, steps }: Pick<Collection<StoredDocument>, 'name' | 'steps'>,
): StoredDocument {
  return open(checkDocument(stamp(document, steps)).document, name, steps);
}

function open(document: StoredDocument, name: string, steps: Steps): StoredDocument {
  const { documentVersion = 1, documentReadableFrom = documentVersion, ...rest } = document as Stamped;
  checkReadable(`the document ${rest.id} of ${name}`, documentVersion, documentReadableFrom, steps);
  return upgrade(rest, documentVersion, steps);
}

function stamp(document: StoredDocument, steps: Steps): StoredDocument {
  if (steps.length === 0) return document;
  const stamped: Stamped = { ...document, documentVersion: versionOf(steps) };
  stamped.documentReadableFrom = readableFrom(steps);
  return stamped;
}
