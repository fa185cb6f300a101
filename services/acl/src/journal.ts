/**
 * How acl changes what nodes follow: all or nothing, with the log of the feed `acl.policies` written in the same
 * transaction as the change itself, and both announced after it. A change that was not announced (a crash in
 * between) is found by the next beat.
 *
 * Every change raises the same counter, also one that is none for nodes: so of two at once, at two replicas too, the later
 * one reads again, and no bound is passed by both. It is raised first, so that the later one waits for a long change and
 * does not undo it. Within a process they take turns.
 */
import type { Bus } from '@postern/bus';
import { aclChanged, announce, type Actor, type Change } from '@postern/contracts';
import type { FeedOwner } from '@postern/replica';
import { TurnQueue, changeWaitMsMax, demandClock, type Store } from '@postern/store';
import type { Documents } from './document.ts';

/** What a change works on: the collections as the transaction sees them, and what it touched. */
export interface Draft extends Omit<Documents, 'ticketKeys' | 'uses'> {
  /** The gateway's policy is another for those who follow policies. */
  touch(gatewayId: string): void;
  /** To be told once the change is done. */
  tell(change: Omit<Change, 'at'>): void;
}

/** Of which revision a change is to be made, undefined where any will do, and who asks for it. */
export interface ChangeOf {
  revision?: number | undefined;
  by?: Actor | undefined;
}

/** Runs changes. */
export class Journal {
  readonly documents: Documents;
  readonly now: () => number;
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #policies: FeedOwner;
  readonly #turns = new TurnQueue();

  constructor(parts: {
    store: Store;
    bus: Bus;
    documents: Documents;
    policies: FeedOwner;
    now: () => number;
  }) {
    this.documents = parts.documents;
    this.now = parts.now;
    this.#store = parts.store;
    this.#bus = parts.bus;
    this.#policies = parts.policies;
  }

  /** The time as it is stored. */
  time(): string {
    return new Date(this.now()).toISOString();
  }

  /** Throws `STORE_CLOCK_OFF` while the database says another time. */
  demandClock(): Promise<void> {
    return demandClock(this.#store, this.now);
  }

  /** Runs `work` in a transaction, perhaps more than once; so it must have no effects but on the draft. */
  async change<R>(work: (draft: Draft) => Promise<R>): Promise<R> {
    const { result, told } = await this.#turns.runSoon(() => this.#transaction(work), changeWaitMsMax);
    this.#policies.beat();
    for (const change of told) announce(this.#bus, aclChanged, { ...change, at: this.time() });
    return result;
  }

  #transaction<R>(work: (draft: Draft) => Promise<R>): Promise<{ result: R; told: Omit<Change, 'at'>[] }> {
    return this.#store.transaction(async (within) => {
      const log = await this.#policies.raise(within);
      const touched = new Set<string>();
      const told: Omit<Change, 'at'>[] = [];
      const result = await work({
        policies: within(this.documents.policies),
        accessLists: within(this.documents.accessLists),
        sourceRules: within(this.documents.sourceRules),
        tokens: within(this.documents.tokens),
        apiKeys: within(this.documents.apiKeys),
        touch: (gatewayId) => touched.add(gatewayId),
        tell: (change) => told.push(change),
      });
      await log([...touched]);
      return { result, told };
    });
  }
}
