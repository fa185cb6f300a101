/**
 * What both implementations hold of a running transaction, so that they fail alike:
 * - a collection used outside `within()` while its own transaction runs is a programmer's error (it would wait for
 *   itself, or write outside), found by the asynchronous context;
 * - after a duplicate the transaction cannot be saved by catching the error: everything after it fails, too;
 * - its operations run one after the other, whatever the work awaits together;
 * - it lasts at most `transactionMsMax`, unless it says otherwise.
 */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { StoreError } from './store-error.ts';
import { TurnQueue } from './turn-queue.ts';

/** Longest that the work of a transaction may take, unless it says otherwise. */
export const transactionMsMax = 10_000;

const running = new AsyncLocalStorage<TransactionScope>();

/** One run of a transaction's work. */
export class TransactionScope {
  readonly #turns = new TurnQueue();
  #failure: Error | null = null;
  #open = true;

  /** Runs `work`; rejects with what it rejects with, with what broke the transaction, or `STORE_TIMEOUT`. */
  async run<R>(work: () => Promise<R>, withinMs = transactionMsMax): Promise<R> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new StoreError('STORE_TIMEOUT', 'a transaction took longer than it may'));
      }, withinMs);
    });
    try {
      const result = await Promise.race([running.run(this, work), late]);
      if (this.#failure !== null) throw this.#failure;
      return result;
    } finally {
      this.#open = false;
      clearTimeout(timer);
    }
  }

  /** What broke the transaction, whatever the work made of it. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Runs one operation of the transaction. */
  operate<R>(operation: () => R | Promise<R>): Promise<R> {
    return this.#turns.run(() => this.#operate(operation));
  }

  async #operate<R>(operation: () => R | Promise<R>): Promise<R> {
    if (this.#failure !== null) throw this.#failure;
    assert(this.#open, 'the transaction is over');
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof StoreError) || !harmless.has(error.code)) this.#failure = error as Error;
      throw error;
    }
  }

  /** Throws when called from within the work of a running transaction. */
  static assertOutside(): void {
    const scope = running.getStore();
    assert(scope === undefined || !scope.#open, 'inside a transaction use within(collection)');
  }
}

const harmless: ReadonlySet<string> = new Set([
  'STORE_STALE',
  'STORE_NOT_FOUND',
  'STORE_TOO_LARGE',
  'STORE_DOCUMENT_INVALID',
]);
