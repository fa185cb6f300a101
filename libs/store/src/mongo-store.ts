/**
 * The store on MongoDB (a replica set, for the sake of transactions). A change is acknowledged when a majority
 * has it in its journal, and reads see only what a majority has. Every wait has an end, so that a database that
 * is out of reach is an error within seconds and not a hanging service.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient, type Collection as DriverCollection, type Db, type MongoClientOptions } from 'mongodb';
import { checkName } from './document.ts';
import { mongoCollection, prepareCollection } from './mongo-collection.ts';
import type { MongoDocument } from './mongo-document.ts';
import { mongoError } from './mongo-error.ts';
import { MongoOrphans } from './mongo-orphans.ts';
import { runTransaction } from './mongo-transaction.ts';
import { StoreError } from './store-error.ts';
import { type OutcomeWatch, watched } from './store-metrics.ts';
import type { Collection, CollectionOptions, Store, StoredDocument } from './store.ts';
import { TransactionScope } from './transaction-scope.ts';
import { versioned } from './versioned.ts';

/** What `connectMongo` takes beside the URL. */
export interface MongoOptions {
  /** The database, unless the URL names it. */
  database?: string;
  /** Shown by the server's monitoring. */
  name?: string;
  /** Given, the connection is TLS. Without `caFile` the system's CAs decide. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  /** Ends the waiting for a server that answers. */
  signal?: AbortSignal;
  /** Told of each failed try. */
  onError?: (error: unknown) => void;
  /** Told how each operation ended. */
  onOutcome?: OutcomeWatch;
}

const programDefault = 'postern';

/** Longest wait for a server that takes writes; a try that fails takes as long. */
const selectionMsMax = 3_000;

/**
 * Connects. Rejects at once with `STORE_SETTINGS_INVALID` when URL or files are of no use, and with `STORE_REFUSED` when
 * the server refuses the credentials; with `STORE_UNREACHABLE` when `signal` ends the waiting, after one try when it had
 * before.
 */
export async function connectMongo(url: string, options: MongoOptions = {}): Promise<Store> {
  for (;;) {
    // A client whose first try failed is of no use any more.
    const client = makeClient(url, options);
    const store = new MongoStore(client, options);
    try {
      await store.ping();
      return store;
    } catch (error) {
      await store.close();
      options.onError?.(error);
      if (
        options.signal?.aborted === true ||
        !(error instanceof StoreError) ||
        error.code !== 'STORE_UNREACHABLE'
      )
        throw error;
    }
    await delay(100 + Math.random() * 400, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** The driver's messages repeat hosts and options of the URL, never its password. */
function makeClient(url: string, options: MongoOptions): MongoClient {
  try {
    return new MongoClient(url, clientOptions(options));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError('STORE_SETTINGS_INVALID', `MongoDB's URL or a TLS file cannot be used: ${why}`, {
      cause,
    });
  }
}

function clientOptions({ tls, name }: MongoOptions): MongoClientOptions {
  return {
    appName: name ?? programDefault,
    serverSelectionTimeoutMS: selectionMsMax,
    connectTimeoutMS: selectionMsMax,
    waitQueueTimeoutMS: selectionMsMax,
    socketTimeoutMS: 10_000,
    heartbeatFrequencyMS: 2_000,
    maxPoolSize: 20,
    readConcern: { level: 'majority' },
    readPreference: 'primary',
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: 5_000 },
    retryReads: true,
    retryWrites: true,
    ...(tls === undefined ? {} : { tls: true, ...tlsFiles(tls) }),
  };
}

function tlsFiles({ caFile, certFile, keyFile }: NonNullable<MongoOptions['tls']>): MongoClientOptions {
  return {
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  };
}

class MongoStore implements Store {
  readonly #client: MongoClient;
  readonly #database: Db;
  readonly #orphans: MongoOrphans;
  readonly #watch: OutcomeWatch | undefined;
  readonly #drivers = new WeakMap<object, DriverCollection<MongoDocument>>();

  /** The driver would connect again for an operation after its close. */
  #closed = false;

  constructor(client: MongoClient, { database, name = programDefault, onOutcome }: MongoOptions) {
    this.#client = client;
    this.#database = client.db(database);
    this.#orphans = new MongoOrphans(client, this.#database, name);
    this.#watch = onOutcome;
  }

  async collection<T extends StoredDocument>(
    name: string,
    options: CollectionOptions = {},
  ): Promise<Collection<T>> {
    checkName(name);
    await this.#run(name, () => prepareCollection(this.#database, name, options));
    const driver = this.#database.collection<MongoDocument>(name);
    const { steps = [], unique = [] } = options;
    const stored = mongoCollection<T>(driver, (operation) => this.#run(name, operation));
    const collection = versioned({ name, steps, unique }, stored);
    this.#drivers.set(collection, driver);
    return collection;
  }

  transaction<R>(
    work: (within: <T extends StoredDocument>(collection: Collection<T>) => Collection<T>) => Promise<R>,
    options: { withinMs?: number } = {},
  ): Promise<R> {
    return this.#run('a transaction', () =>
      runTransaction(
        this.#client,
        this.#orphans,
        (scope, session) =>
          work(<T extends StoredDocument>(collection: Collection<T>) => {
            const driver = this.#drivers.get(collection);
            assert(driver !== undefined, 'a collection of another store');
            const seen = mongoCollection<T>(driver, (operation) => scope.operate(operation), session);
            return versioned(collection, seen);
          }),
        options.withinMs,
      ),
    );
  }

  async ping(): Promise<void> {
    await this.#run('the database', () => this.#database.command({ ping: 1 }));
  }

  async time(): Promise<number | null> {
    const { localTime } = await this.#run('the time', () => this.#database.command({ hello: 1 }));
    return localTime instanceof Date ? localTime.getTime() : null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#client.close();
  }

  async #run<R>(what: string, operation: () => Promise<R>): Promise<R> {
    TransactionScope.assertOutside();
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store was closed');
    return watched(this.#watch, async () => {
      try {
        return await operation();
      } catch (error) {
        throw mongoError(error, what);
      }
    });
  }
}
