/**
 * Brings stored documents to the version of the program, at its start and by itself, forward only. One process at a time
 * does it, the holder of a lease; the others wait until nothing is left. It may be killed at any point: what is done is
 * done, each document says its version, and the next holder goes on with the rest once the lease is over.
 *
 *   <room>_migration   { id: 'versions', versions }           what the newest program makes of the collections
 *                      { id: 'lease', holder, until }         while somebody is at it, who renews it with each batch
 *
 * Clocks of machines differ, so a lease is over once who waits for it has seen it unchanged for so long; `until` is for
 * programs of before.
 *
 * A program that is older than the stored versions, and cannot work with them, is refused before it has read anything.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { newId } from './new-id.ts';
import { StoreError } from './store-error.ts';
import type { Collection, Store, StoredDocument } from './store.ts';
import { checkReadable, readableFrom, versionField, versionOf } from './versioned.ts';

/** Who watches a migration. */
export interface MigrationWatch {
  /** Ends it after the batch that runs; what is done is done. */
  readonly signal?: AbortSignal;
  /** Told after each batch: how many documents of which collection this process has brought up to date. */
  readonly onProgress?: (progress: { name: string; version: number; documents: number }) => void;
}

/** What is to be migrated. */
export interface MigrateOptions extends MigrationWatch {
  /** The owner; the collection `<room>_migration` is its own. */
  readonly room: string;
  readonly collections: readonly Collection<StoredDocument>[];
  /** How long a holder that says nothing keeps the lease. */
  readonly leaseMs?: number;
}

interface Versions extends StoredDocument {
  versions: Record<string, { version: number; readableFrom: number }>;
}

interface Lease extends StoredDocument {
  holder: string;
  until: number;
}

const leaseMsDefault = 30_000;
const pollMs = 250;
const batchDocuments = 50;

/**
 * Resolves when no document is older than its collection's steps, with how many this process changed. Rejects with
 * `STORE_DOCUMENT_NEWER` when the stored ones are newer and not for this program.
 */
export async function migrate(store: Store, options: MigrateOptions): Promise<number> {
  const { room, collections, leaseMs = leaseMsDefault, signal } = options;
  const records = await store.collection<Versions | Lease>(`${room}_migration`);
  await checkVersions(records, collections);
  const place: Place = { records, holder: newId(), leaseMs, seen: null };
  let changed = 0;
  while (await isLeft(records, collections)) {
    signal?.throwIfAborted();
    const lease = await take(place);
    if (lease === null) {
      await wait(pollMs, undefined, signal === undefined ? {} : { signal });
      continue;
    }
    changed += await sweep(store, place, lease, options);
  }
  return changed;
}

async function checkVersions(
  records: Collection<Versions | Lease>,
  collections: readonly Collection<StoredDocument>[],
): Promise<void> {
  const { versions = {} } = ((await records.get('versions')) ?? {}) as Partial<Versions>;
  for (const { name, steps } of collections) {
    const { version, readableFrom: oldest } = versions[name] ?? { version: 1, readableFrom: 1 };
    checkReadable(`the collection ${name}`, version, oldest, steps);
  }
}

async function isLeft(
  records: Collection<Versions | Lease>,
  collections: readonly Collection<StoredDocument>[],
): Promise<boolean> {
  const stepped = collections.filter(({ steps }) => steps.length > 0);
  if (stepped.length === 0) return false;
  const { versions = {} } = ((await records.get('versions')) ?? {}) as Partial<Versions>;
  if (stepped.some(({ name, steps }) => (versions[name]?.version ?? 1) < versionOf(steps))) return true;
  for (const collection of stepped) if ((await older(collection)).length > 0) return true;
  return false;
}

/** A few of those that are stored in an earlier version: a program of that version may still be running. */
async function older(collection: Collection<StoredDocument>): Promise<StoredDocument[]> {
  for (let version = 1; version < versionOf(collection.steps); version += 1) {
    const filter = { [versionField]: version === 1 ? null : version };
    const { items } = await collection.list({ filter, limit: batchDocuments });
    if (items.length > 0) return items;
  }
  return [];
}

/** Who waits for the lease, or has it. */
interface Place {
  readonly records: Collection<Versions | Lease>;
  readonly holder: string;
  readonly leaseMs: number;
  /** Another's lease, since when it is as it is. */
  seen: { readonly lease: string; readonly since: number } | null;
}

async function take(place: Place): Promise<Lease | null> {
  const { records, holder, leaseMs } = place;
  const found = (await records.get('lease')) as Lease | null;
  if (found !== null && found.holder !== holder && !isOver(place, found)) return null;
  const wanted = { id: 'lease', revision: found?.revision ?? 1, holder, until: Date.now() + leaseMs };
  try {
    return (await (found === null ? records.insert(wanted) : records.replace(wanted))) as Lease;
  } catch (error) {
    if (error instanceof StoreError && lost.has(error.code)) return null;
    throw error;
  }
}

function isOver(place: Place, { holder, revision }: Lease): boolean {
  const lease = `${holder} ${revision}`;
  if (place.seen?.lease !== lease) place.seen = { lease, since: performance.now() };
  return performance.now() - place.seen.since >= place.leaseMs;
}

const lost: ReadonlySet<string> = new Set(['STORE_DUPLICATE', 'STORE_STALE', 'STORE_NOT_FOUND']);

/** Goes on until nothing is left or another has the lease. */
async function sweep(
  store: Store,
  place: Place,
  first: Lease,
  { collections, signal, onProgress }: MigrateOptions,
): Promise<number> {
  let lease: Lease | null = first;
  let changed = 0;
  await recordVersions(store, place.records, collections);
  for (const collection of collections) {
    const { name, steps } = collection;
    let documents = 0;
    for (;;) {
      signal?.throwIfAborted();
      const batch = await older(collection);
      if (batch.length === 0) break;
      await putAll(store, collection, batch);
      documents += batch.length;
      changed += batch.length;
      onProgress?.({ name, version: versionOf(steps), documents });
      lease = await take(place);
      if (lease === null) return changed;
    }
  }
  await giveBack(store, place.records, lease);
  return changed;
}

/** Each as it is now, which others may have changed meanwhile; reading brings it up to date, storing keeps that. */
function putAll(
  store: Store,
  collection: Collection<StoredDocument>,
  batch: readonly StoredDocument[],
): Promise<void> {
  return store.transaction(async (within) => {
    const documents = within(collection);
    for (const { id } of batch) {
      const now = await documents.get(id);
      if (now !== null) await documents.put(now);
    }
  });
}

/** Says which versions there are from now on, before the first document is of one: a program that is too old meets none. */
function recordVersions(
  store: Store,
  records: Collection<Versions | Lease>,
  collections: readonly Collection<StoredDocument>[],
): Promise<void> {
  return store.transaction(async (within) => {
    const all = within(records);
    const known = ((await all.get('versions')) ?? { versions: {} }) as Pick<Versions, 'versions'>;
    const versions = { ...known.versions };
    for (const { name, steps } of collections) {
      const version = versionOf(steps);
      if ((versions[name]?.version ?? 0) < version)
        versions[name] = { version, readableFrom: readableFrom(steps) };
    }
    await all.put({ id: 'versions', revision: 1, versions });
  });
}

function giveBack(store: Store, records: Collection<Versions | Lease>, { holder }: Lease): Promise<void> {
  return store.transaction(async (within) => {
    const all = within(records);
    const now = await all.get('lease');
    if (now !== null && (now as Lease).holder === holder) await all.delete('lease');
  });
}
