/**
 * A restore at its owner. What is given is kept piece by piece in `<room>_restore`, whichever replica takes it, and looked
 * at as a whole; only then it takes the place of what is there, in one transaction that also has everybody who follows
 * fetch anew. So nobody ever sees a part of it, and a restore that is broken off has changed nothing.
 *
 *   (none) ── begin ──► given ── check ──► given ── commit ──► done     a new begin takes the place of any of them
 *
 * What is given again of a file that was done here is done all the same until its commit, and after it was broken off.
 */
import { type BackupPart, backupPieceBytes, backupRooms } from '@postern/contracts';
import { type Collection, type Store, type StoredDocument, every, pageItemsMax } from '@postern/store';
import { backupError, damaged } from './errors.ts';
import { type Contents, unpackPart } from './part.ts';
import { transactionMs } from './snapshot.ts';
import type { BackedUpCollection, BackupSource } from './source.ts';

interface State extends StoredDocument {
  restoreId: string;
  state: 'given' | 'done';
  part: BackupPart;
  overwrite: boolean;
  /** The one that was done here before this one was given; absent or null where none was. */
  former?: Done | null;
}

/** A restore that was done here. */
type Done = Pick<State, 'restoreId' | 'part'>;

interface Chunk extends StoredDocument {
  restoreId: string;
  data: string;
}

type Within = <T extends StoredDocument>(collection: Collection<T>) => Collection<T>;

/** The restores of one owner. */
export class Restores {
  readonly #store: Store;
  readonly #source: BackupSource;
  readonly #kept: Collection<State | Chunk>;

  private constructor(store: Store, source: BackupSource, kept: Collection<State | Chunk>) {
    this.#store = store;
    this.#source = source;
    this.#kept = kept;
  }

  /** Opens the collection of what is given. */
  static async open(store: Store, source: BackupSource): Promise<Restores> {
    return new Restores(store, source, await store.collection(`${source.room}_restore`));
  }

  /** Begins one. Throws `BACKUP_PLATFORM_FILLED`. */
  async begin(restoreId: string, part: BackupPart, overwrite: boolean): Promise<void> {
    const former = doneOf((await this.#kept.get(stateId)) as State | null);
    // One that was done here and not at every owner is done again without being asked for. Done at the last owner it was
    // whole, and what was changed since would be lost.
    const isAgain = former?.part.sha256 === part.sha256;
    if (isAgain && !overwrite && this.#source.room === backupRooms.at(-1))
      throw filled('the documents of this backup');
    await this.#drop();
    const state = { id: stateId, revision: 1, restoreId, part, overwrite: overwrite || isAgain, former };
    if (!state.overwrite) await this.#demandEmpty((collection) => collection);
    await this.#kept.put({ ...state, state: 'given' });
  }

  /** Keeps a piece; all but the last are `backupPieceBytes` long. */
  async keep(restoreId: string, index: number, data: string): Promise<void> {
    const { part } = await this.#given(restoreId);
    if (index >= chunksOf(part)) throw damaged(this.#source.room, 'it is longer than it says');
    await this.#kept.put({ id: chunkId(index), revision: 1, restoreId, data });
  }

  /** Throws unless what was given is whole and can be used here; gives what whoever restores is to know before. */
  async check(restoreId: string): Promise<string[]> {
    return this.#warningsOf(await this.#read(await this.#given(restoreId)));
  }

  /**
   * Does it, for the API key `by` where that is known; gives what was to be known before. Done already, it stays done: null.
   */
  async commit(restoreId: string, by: string | null = null): Promise<string[] | null> {
    if (await this.#isDone(this.#kept, restoreId)) return null;
    const state = await this.#given(restoreId);
    const contents = await this.#readUnlessDone(state);
    if (contents === null) return null;
    const warnings = await this.#warningsOf(contents);
    await this.#store.transaction(
      async (within) => {
        // Who had no answer asks again, and both may be under way: what was changed since the first must stay.
        if (await this.#isDone(within(this.#kept), restoreId)) return;
        if (!state.overwrite) await this.#demandEmpty(within);
        // First: each change raises a feed's counter, so whoever makes one meanwhile is the one to try again. Written last
        // it would meet one of theirs at its end, each time.
        for (const feed of this.#source.feeds) await feed.renewEpoch(within);
        for (const one of this.#source.collections)
          await put(within, one, contents.get(one.collection.name) ?? [], by);
        await within(this.#kept).put({ ...state, state: 'done' });
      },
      { withinMs: transactionMs },
    );
    await this.#drop();
    return warnings;
  }

  /** The restore whose documents are here; null where none was done. */
  async done(): Promise<string | null> {
    return doneOf((await this.#kept.get(stateId)) as State | null)?.restoreId ?? null;
  }

  /** Forgets what was given, but not that the same was done before. */
  async abandon(restoreId: string): Promise<void> {
    const state = (await this.#kept.get(stateId)) as State | null;
    if (state?.restoreId !== restoreId || state.state === 'done') return;
    const former = doneOf(state);
    if (former === null) await this.#kept.delete(stateId);
    else await this.#kept.put({ ...state, ...former, state: 'done' });
    await this.#drop();
  }

  async #given(restoreId: string): Promise<State> {
    const state = (await this.#kept.get(stateId)) as State | null;
    if (state?.restoreId === restoreId && state.state === 'given') return state;
    throw backupError('BACKUP_RESTORE_UNKNOWN', 'this restore was not begun here, or another one was since');
  }

  async #isDone(kept: Collection<State | Chunk>, restoreId: string): Promise<boolean> {
    const state = (await kept.get(stateId)) as State | null;
    return state?.restoreId === restoreId && state.state === 'done';
  }

  /** Null where it was done meanwhile, and its pieces are dropped. */
  async #readUnlessDone(state: State): Promise<Contents | null> {
    try {
      return await this.#read(state);
    } catch (error) {
      if (await this.#isDone(this.#kept, state.restoreId)) return null;
      throw error;
    }
  }

  async #read({ restoreId, part }: State): Promise<Contents> {
    const { room, collections, check } = this.#source;
    const pieces: Buffer[] = [];
    for (let index = 0; index < chunksOf(part); index += 1) {
      const chunk = (await this.#kept.get(chunkId(index))) as Chunk | null;
      if (chunk?.restoreId !== restoreId) throw damaged(room, 'a piece of it was not given');
      pieces.push(Buffer.from(chunk.data, 'base64'));
    }
    const contents = await unpackPart(part, collections, Buffer.concat(pieces));
    await check?.(contents);
    return contents;
  }

  async #warningsOf(contents: Contents): Promise<string[]> {
    return (await this.#source.warnings?.(contents)) ?? [];
  }

  async #demandEmpty(within: Within): Promise<void> {
    for (const { collection, fills } of this.#source.collections) {
      if (!fills || (await within(collection).count()) === 0) continue;
      throw filled(collection.name);
    }
  }

  /** All pieces; the state stays. */
  async #drop(): Promise<void> {
    for (;;) {
      const { items } = await this.#kept.list({ limit: 20 });
      const pieces = items.filter(({ id }) => id !== stateId);
      for (const { id } of pieces) await this.#kept.delete(id);
      if (pieces.length === 0) return;
    }
  }
}

const stateId = 'state';

/** The restore that was done last. */
function doneOf(state: State | null): Done | null {
  if (state?.state !== 'done') return state?.former ?? null;
  const { restoreId, part } = state;
  return { restoreId, part };
}

function chunkId(index: number): string {
  return `piece-${String(index).padStart(5, '0')}`;
}

function chunksOf({ bytes }: BackupPart): number {
  return Math.ceil(bytes / backupPieceBytes);
}

async function put(
  within: Within,
  { collection, restore, arrived = (document) => document, left = () => null }: BackedUpCollection,
  documents: readonly StoredDocument[],
  by: string | null,
): Promise<void> {
  const own = within(collection);
  if (restore === 'replace') {
    const restored = new Set(documents.map(({ id }) => id));
    for await (const document of every(own, { limit: pageItemsMax })) {
      if (restored.has(document.id)) continue;
      const stays = left(document, by);
      if (stays === null) await own.delete(document.id);
      else if (stays !== document) await own.put({ ...stays, revision: document.revision + 1 });
    }
  }
  for (const document of documents.map(arrived)) {
    // A revision never goes back: whoever holds what was here would take what is restored for the same, or for older.
    const { revision = 0 } = (await own.get(document.id)) ?? {};
    await own.put(revision < document.revision ? document : { ...document, revision: revision + 1 });
  }
}

function filled(what: string): Error {
  return backupError(
    'BACKUP_PLATFORM_FILLED',
    `this platform is in use: there are ${what}. A restore would take their place; ask for it with --overwrite`,
  );
}
