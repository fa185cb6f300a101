/**
 * What an owner stores of its feed: one counter and the last changes, raised and logged in the transaction that
 * makes the change. So every revision that anybody can see has its change behind it.
 *
 *   <name>_counter   { id: 'counter', revision: 7, epoch }      its revision is the feed's
 *   <name>_log       { id: '0000000000000007', ids: [...] }     one per revision, the last `logEntriesMax`
 */
import { newId, StoreError, type Collection, type Store, type StoredDocument } from '@postern/store';

/** How many changes back a follower can be and still get only those. */
export const logEntriesMax = 1_000;
/** How many IDs one change may touch; more makes every follower fetch everything. */
export const idsPerChangeMax = 1_000;

const entriesPerPage = 500;

/** Collections as a transaction sees them. */
export type Within = <T extends StoredDocument>(collection: Collection<T>) => Collection<T>;

/** Where a feed stands. */
export interface Position {
  epoch: string;
  revision: number;
}

interface Counter extends StoredDocument {
  epoch: string;
}

interface Entry extends StoredDocument {
  /** Null when the change touched too many. */
  ids: string[] | null;
}

/** The counter and the log of one feed. */
export class FeedLog {
  readonly #counter: Collection<Counter>;
  readonly #entries: Collection<Entry>;

  private constructor(counter: Collection<Counter>, entries: Collection<Entry>) {
    this.#counter = counter;
    this.#entries = entries;
  }

  /** Opens the log of the feed, and makes it, with a new epoch, when there is none. */
  static async open(store: Store, feedName: string): Promise<FeedLog> {
    const name = feedName.replaceAll('.', '_');
    const counter = await store.collection<Counter>(`${name}_counter`);
    const log = new FeedLog(counter, await store.collection<Entry>(`${name}_log`));
    if ((await counter.get('counter')) === null) await log.#create();
    return log;
  }

  /** Where the feed stands, as it is stored. */
  async position(): Promise<Position> {
    const { epoch, revision } = await current(this.#counter);
    return { epoch, revision };
  }

  /**
   * Raises the counter, as part of the caller's transaction; what it gives logs who changed, before the end of that. Raised
   * first, it is what another replica's change meets at once, and not the end of a long one, which would never come to it.
   */
  async raise(within: Within): Promise<(ids: readonly string[]) => Promise<void>> {
    const counter = within(this.#counter);
    const { revision } = await counter.replace(await current(counter));
    return (ids) => this.#log(within(this.#entries), revision, new Set(ids));
  }

  /** Who changed after `since` and up to `until`; null when the log does not tell all of it any more. */
  async changedBetween(since: number, until: number): Promise<Set<string> | null> {
    if (since > until) return null;
    const ids = new Set<string>();
    for (let seen = since; seen < until;) {
      const limit = Math.min(until - seen, entriesPerPage);
      const { items } = await this.#entries.list({ cursor: entryId(seen), limit });
      if (items.length === 0) return null;
      for (const entry of items) {
        seen += 1;
        if (entry.id !== entryId(seen) || entry.ids === null) return null;
        for (const id of entry.ids) ids.add(id);
      }
    }
    return ids;
  }

  /**
   * Makes every follower fetch everything, as part of the transaction that restores the owner's documents; where all of them
   * were lost while the owner runs, the counter is made anew.
   */
  async renewEpoch(within: Within): Promise<void> {
    const counter = within(this.#counter);
    const found = await counter.get('counter');
    if (found === null) await counter.insert(begun());
    else await counter.replace({ ...found, epoch: newId() });
  }

  async #log(entries: Collection<Entry>, revision: number, logged: ReadonlySet<string>): Promise<void> {
    const ids = logged.size > idsPerChangeMax ? null : [...logged];
    await entries.insert({ id: entryId(revision), revision: 1, ids });
    if (revision > logEntriesMax) await entries.delete(entryId(revision - logEntriesMax));
  }

  async #create(): Promise<void> {
    try {
      await this.#counter.insert(begun());
    } catch (error) {
      // Another replica of the owner was faster.
      if (!(error instanceof StoreError) || error.code !== 'STORE_DUPLICATE') throw error;
    }
  }
}

function begun(): Counter {
  return { id: 'counter', revision: 1, epoch: newId() };
}

async function current(counter: Collection<Counter>): Promise<Counter> {
  const found = await counter.get('counter');
  if (found === null)
    throw new StoreError('STORE_NOT_FOUND', 'the counter of a feed was removed from the store');
  return found;
}

/** Sorts as the numbers do. */
function entryId(revision: number): string {
  return String(revision).padStart(16, '0');
}
