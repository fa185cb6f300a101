/**
 * Documents with an ID and a revision. Two implementations (MongoDB, SQLite) pass one conformance suite
 * (`store.case.test.ts`). Each collection has one owner service.
 */

/** Every document has these. `revision` starts at 1 and grows by one with each replace. */
export interface StoredDocument {
  id: string;
  revision: number;
}

/**
 * A filter: equality on top-level or dotted fields, all of them (`{ 'front.port': 15000, gatewayId: 'x' }`); null also
 * means absent. No field of a filter or key may be an array or lie in one: databases do not agree there.
 */
export type Filter = Record<string, string | number | boolean | null>;

/** What a collection is made with. Unique keys name one or more dotted fields; documents lacking all of them are not held to it. */
export interface CollectionOptions {
  unique?: readonly (readonly string[])[];
  indexes?: readonly (readonly string[])[];
  /** What brings older documents up to date; see `DocumentStep`. Without any, the collection is of version 1. */
  steps?: readonly DocumentStep[];
}

/**
 * One step of a collection's documents to the next version: the first makes version 2. Steps are only ever added. A read
 * shows every document in the program's own version; `migrate` brings those that are stored.
 */
export interface DocumentStep {
  /** Makes the next version. Pure, and the same again when it is run on its own result. */
  change: (document: StoredDocument & Record<string, unknown>) => StoredDocument;
  /** Whether programs of the version before can work with the result, so that they run beside newer ones. */
  compatible: boolean;
}

/** What a list is to be of: those that match, of which the ID comes after `cursor`; `limit` bounds its page. */
export interface ListOptions {
  filter?: Filter;
  limit?: number;
  cursor?: string | null;
}

/** One page of a list, in the order of IDs (which are made to sort by creation; see `newId`). */
export interface Page<T> {
  items: T[];
  /** Pass as `cursor` for the next page; null at the end. */
  nextCursor: string | null;
}

/**
 * A collection, or one seen through a transaction. All may reject with `StoreError` `STORE_UNREACHABLE`, reads with
 * `STORE_DOCUMENT_NEWER`.
 */
export interface Collection<T extends StoredDocument> {
  /** Name, steps and unique keys that it was opened with. */
  readonly name: string;
  readonly steps: readonly DocumentStep[];
  readonly unique: readonly (readonly string[])[];
  get(id: string): Promise<T | null>;
  /** The first that matches. */
  find(filter: Filter): Promise<T | null>;
  list(options?: ListOptions): Promise<Page<T>>;
  count(filter?: Filter): Promise<number>;
  /** Rejects with `STORE_DUPLICATE` (`key` names the fields) when the ID or a unique key is taken. */
  insert(document: T): Promise<T>;
  /** Replaces the document that has `document.revision`; the new one has that plus one. `STORE_STALE` when another was faster, `STORE_NOT_FOUND`. */
  replace(document: T): Promise<T>;
  /** Stores it as it is, its revision too, in place of what has its ID; for restoring and migrating. */
  put(document: T): Promise<void>;
  /** With `revision`, only that one (`STORE_STALE`). Returns false when there was none. */
  delete(id: string, revision?: number): Promise<boolean>;
}

/** A store. */
export interface Store {
  /** Makes the collection and its indexes when they are missing. */
  collection<T extends StoredDocument>(name: string, options?: CollectionOptions): Promise<Collection<T>>;
  /**
   * All or nothing: `work` sees the same collections by `within(collection)`, and its writes are seen by others
   * all at once, majority-written. It is run again on a write conflict, so it must have no effects outside, and it
   * waits for nothing but these collections: with SQLite everybody else waits for it, `withinMs` at most (10 s).
   * A duplicate ends it, even when `work` catches that; try the whole transaction again. Only `within(…)` may be used
   * inside. When it rejects with `STORE_UNREACHABLE` or `STORE_TIMEOUT` the change may have been made all the same.
   */
  transaction<R>(
    work: (within: <T extends StoredDocument>(collection: Collection<T>) => Collection<T>) => Promise<R>,
    options?: { withinMs?: number },
  ): Promise<R>;
  /** Resolves when the store answers; rejects with `STORE_UNREACHABLE`. */
  ping(): Promise<void>;
  /** What time it is by the database's own clock, in ms since 1970; null where that is this process's. */
  time(): Promise<number | null>;
  close(): Promise<void>;
}
