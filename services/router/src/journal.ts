/**
 * How the router changes what it owns: all or nothing, with the feeds' logs written in the same transaction as the change
 * itself, and both announced after it. So a follower never sees a revision whose change it cannot fetch, and a
 * change that was not announced (a crash in between) is found by the next beat.
 *
 * Every change raises the routes' counter, also one that makes no route another: so of two at once, at two replicas too,
 * the later one reads again, and what it decides on is as it is then. It is raised first, so that the later one waits for a
 * long change and does not undo it. Within a process they take turns; one whose turn does not come while it is waited for is
 * refused, or a burst at a slow database would go on for minutes, with nobody to hear of it, and every later change behind it.
 */
import { announce, routerChanged, type Change } from '@postern/contracts';
import type { Bus } from '@postern/bus';
import type { FeedOwner } from '@postern/replica';
import { TurnQueue, changeWaitMsMax, type Store } from '@postern/store';
import type { Documents } from './document.ts';
import { retryAllotting } from './front-claims.ts';

/** What a change works on: the collections as the transaction sees them, and what it touched. */
export interface Draft extends Documents {
  /** The gateway is another for those who follow gateways. */
  touchGateway(id: string): void;
  /** The destination is another for those who follow routes. */
  touchRoute(id: string): void;
  /** To be told once the change is done. */
  tell(change: Omit<Change, 'at'>): void;
}

/** The feeds that the router owns. */
export interface RouterFeeds {
  gateways: FeedOwner;
  routes: FeedOwner;
}

/** Runs changes. */
export class Journal {
  readonly documents: Documents;
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #feeds: RouterFeeds;
  readonly #now: () => number;
  readonly #turns = new TurnQueue();

  constructor(parts: {
    store: Store;
    bus: Bus;
    documents: Documents;
    feeds: RouterFeeds;
    now: () => number;
  }) {
    this.documents = parts.documents;
    this.#store = parts.store;
    this.#bus = parts.bus;
    this.#feeds = parts.feeds;
    this.#now = parts.now;
  }

  /** The time as it is stored. */
  time(): string {
    return new Date(this.#now()).toISOString();
  }

  /** Runs `work` in a transaction, perhaps more than once; so it must have no effects but on the draft. */
  async change<R>(work: (draft: Draft) => Promise<R>): Promise<R> {
    const { result, told, beating } = await this.#turns.runSoon(
      () => retryAllotting(() => this.#transaction(work)),
      changeWaitMsMax,
    );
    for (const feed of beating) feed.beat();
    for (const change of told) announce(this.#bus, routerChanged, { ...change, at: this.time() });
    return result;
  }

  #transaction<R>(
    work: (draft: Draft) => Promise<R>,
  ): Promise<{ result: R; told: Omit<Change, 'at'>[]; beating: FeedOwner[] }> {
    const { gateways: gatewayFeed, routes: routeFeed } = this.#feeds;
    return this.#store.transaction(async (within) => {
      const logRoutes = await routeFeed.raise(within);
      const gateways = new Set<string>();
      const routes = new Set<string>();
      const told: Omit<Change, 'at'>[] = [];
      const result = await work({
        gateways: within(this.documents.gateways),
        destinations: within(this.documents.destinations),
        fronts: within(this.documents.fronts),
        released: within(this.documents.released),
        deleted: within(this.documents.deleted),
        touchGateway: (id) => gateways.add(id),
        touchRoute: (id) => routes.add(id),
        tell: (change) => told.push(change),
      });
      await logRoutes([...routes]);
      if (gateways.size > 0) await gatewayFeed.record(within, [...gateways]);
      return { result, told, beating: gateways.size > 0 ? [gatewayFeed, routeFeed] : [routeFeed] };
    });
  }
}
