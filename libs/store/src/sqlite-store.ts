/**
 * The store on one SQLite file (`node:sqlite`) that belongs to this process alone: a second process is refused.
 * The connection is one and synchronous, so operations take turns, and a transaction has its turn until it ends;
 * nothing is seen half done. A change is on the disk before it is acknowledged (WAL, synchronous=FULL).
 * The cost: no two reads at once, which a small site does not notice.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { checkName } from './document.ts';
import { isBusy, sqliteError } from './sqlite-error.ts';
import { SqliteTable } from './sqlite-table.ts';
import { StoreError } from './store-error.ts';
import { type OutcomeWatch, watched } from './store-metrics.ts';
import type { Collection, CollectionOptions, Filter, Store, StoredDocument } from './store.ts';
import { TransactionScope } from './transaction-scope.ts';
import { TurnQueue } from './turn-queue.ts';
import { type Stored, versioned } from './versioned.ts';

/**
 * Opens or makes the file (mode 0600), or `:memory:`. Throws `STORE_LOCKED` when another process has it. `onOutcome` is told
 * how each operation ended.
 */
export function openSqlite(file: string, options: { onOutcome?: OutcomeWatch } = {}): Store {
  const database = openDatabase(file);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec('BEGIN EXCLUSIVE; COMMIT;');
  } catch (error) {
    database.close();
    if (isBusy(error)) throw new StoreError('STORE_LOCKED', `another process uses ${file}`, { cause: error });
    throw sqliteError(error, file, new Map());
  }
  return new SqliteStore(database, options.onOutcome);
}

function openDatabase(file: string): DatabaseSync {
  try {
    if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600));
    return new DatabaseSync(file, { timeout: 100 });
  } catch (cause) {
    throw new StoreError('STORE_UNREACHABLE', `${file} cannot be opened: ${String(cause)}`, { cause });
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #watch: OutcomeWatch | undefined;
  readonly #turns = new TurnQueue();
  readonly #tables = new WeakMap<object, unknown>();
  #closed = false;
  #closing: Promise<void> | null = null;

  constructor(database: DatabaseSync, watch: OutcomeWatch | undefined) {
    this.#database = database;
    this.#watch = watch;
  }

  async collection<T extends StoredDocument>(
    name: string,
    options: CollectionOptions = {},
  ): Promise<Collection<T>> {
    checkName(name);
    const table = await this.#turn(() => {
      try {
        return new SqliteTable<T>(this.#database, name, options);
      } catch (error) {
        throw sqliteError(error, name, new Map());
      }
    });
    const { steps = [], unique = [] } = options;
    const stored = view(table, (operation) => this.#turn(operation));
    const collection = versioned({ name, steps, unique }, stored);
    this.#tables.set(collection, table);
    return collection;
  }

  async transaction<R>(
    work: (within: <T extends StoredDocument>(collection: Collection<T>) => Collection<T>) => Promise<R>,
    options: { withinMs?: number } = {},
  ): Promise<R> {
    return this.#turn(async () => {
      const scope = new TransactionScope();
      try {
        this.#database.exec('BEGIN IMMEDIATE');
        const result = await scope.run(
          () =>
            work(<T extends StoredDocument>(collection: Collection<T>) => {
              const table = this.#tables.get(collection) as SqliteTable<T> | undefined;
              assert(table !== undefined, 'a collection of another store');
              return versioned(
                collection,
                view(table, (operation) => scope.operate(operation)),
              );
            }),
          options.withinMs,
        );
        this.#database.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw sqliteError(error, 'a transaction', new Map());
      }
    });
  }

  async ping(): Promise<void> {
    await this.#turn(() => this.#database.exec('SELECT 1'));
  }

  async time(): Promise<null> {
    return null;
  }

  close(): Promise<void> {
    this.#closing ??= this.#turn(() => {
      this.#closed = true;
      this.#database.close();
    });
    return this.#closing;
  }

  async #turn<R>(operation: () => R | Promise<R>): Promise<R> {
    TransactionScope.assertOutside();
    return watched(this.#watch, () =>
      this.#turns.run(() => {
        if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store was closed');
        return operation();
      }),
    );
  }
}

/** A table's operations, which `run` when it is their turn. */
function view<T extends StoredDocument>(
  table: SqliteTable<T>,
  run: <R>(operation: () => R) => Promise<R>,
): Stored<T> {
  return {
    get: (id) => run(() => table.get(id)),
    find: (filter: Filter) => run(() => table.find(filter)),
    list: (options) => run(() => table.list(options)),
    count: (filter) => run(() => table.count(filter)),
    insert: (document) => run(() => table.insert(document)),
    replace: (document) => run(() => table.replace(document)),
    put: (document) => run(() => table.put(document)),
    delete: (id, revision) => run(() => table.delete(id, revision)),
  };
}
