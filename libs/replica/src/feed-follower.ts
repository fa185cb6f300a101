/**
 * A follower's cache of a feed: what the owner had when it was last heard, whole and in one step. It fetches when
 * it starts, when a beat is ahead of it or of another epoch, and when the bus is back; never twice at once.
 * When the owner is gone it goes on with what it has.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Bus, Subscription } from '@postern/bus';
import { listen, type Feed } from '@postern/contracts';
import type { Static, TSchema } from 'typebox';
import { fetchSince, type Fetched } from './feed-fetch.ts';
import type { Position } from './feed-log.ts';
import type { Identified } from './feed-owner.ts';

/** Items that came or are others now, and the last state of those that are gone. */
export interface FeedChange<Item> {
  changed: { now: Item; before: Item | undefined }[];
  deleted: Item[];
}

type Change<Schema extends TSchema> = FeedChange<Static<Schema> & Identified>;

/** What a follower is made of. */
export interface FeedFollowerOptions<Schema extends TSchema> {
  feed: Feed<Schema>;
  bus: Bus;
  /** Called after the cache has changed; not for what came again as it was. */
  onChange?: (change: FeedChange<Static<Schema> & Identified>) => void;
  /** Told of fetches that failed; the next beat leads to another. */
  onError: (error: unknown) => void;
}

/** How many items are compared in one turn of the event loop, which may be that of callers' bytes. */
export const comparedPerTurn = 50;

const nothing: Position = { epoch: '', revision: 0 };

/** Follows from `start` to `stop`. */
export class FeedFollower<Schema extends TSchema> {
  readonly #options: FeedFollowerOptions<Schema>;
  readonly #items = new Map<string, Static<Schema> & Identified>();
  readonly #synced = Promise.withResolvers<void>();
  #subscriptions: Subscription[] = [];
  #position = nothing;
  #announced = nothing;
  #fetching: Promise<void> | null = null;
  #wanted = false;
  #lastFetchWorked = false;
  #stopping = new AbortController();

  constructor(options: FeedFollowerOptions<Schema>) {
    this.#options = options;
  }

  /** All items by ID; the same map for good. */
  get items(): ReadonlyMap<string, Static<Schema> & Identified> {
    return this.#items;
  }

  get(id: string): (Static<Schema> & Identified) | undefined {
    return this.#items.get(id);
  }

  /** The owner's position that the cache is at; epoch '' until the first fetch. */
  get position(): Position {
    return this.#position;
  }

  /** Whether everything was fetched once. */
  get isSynced(): boolean {
    return this.#position.epoch !== '';
  }

  /** Whether the owner says that it has something else than is here, and the last try to fetch it failed. */
  get isBehind(): boolean {
    return this.#announced.epoch !== '' && !this.#isAt(this.#announced) && !this.#lastFetchWorked;
  }

  /** Resolves when everything was fetched once; it may never. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  start(): void {
    this.#stopping = new AbortController();
    const { bus, feed, onError } = this.#options;
    this.#subscriptions = [
      listen(bus, feed.beat, (beat) => this.#handleBeat(beat), onError),
      bus.onConnection((connected) => connected && this.refresh()),
    ];
    this.refresh();
  }

  /** Fetches what changed, now or after the fetch that runs. */
  refresh(): void {
    this.#wanted = true;
    this.#fetching ??= this.#fetch();
  }

  /** Fetches what changed and resolves once it is here: true, or false when the owner could not be asked. */
  async refreshed(): Promise<boolean> {
    this.refresh();
    await this.#fetching;
    return this.#lastFetchWorked;
  }

  /** Resolves when nothing of it runs. The items stay. */
  async stop(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions = [];
    this.#wanted = false;
    this.#stopping.abort();
    await this.#fetching;
  }

  #handleBeat(beat: Position): void {
    this.#announced = beat;
    if (this.#fetching === null && !this.#isAt(beat)) this.refresh();
  }

  /** A beat that is behind may come from a replica that read a moment ago, or from a store that was restored: ask. */
  #isAt({ epoch, revision }: Position): boolean {
    return epoch === this.#position.epoch && revision === this.#position.revision;
  }

  async #fetch(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.#fetchOnce();
    }
    // In the same turn as the last look: what is wanted later begins another.
    this.#fetching = null;
  }

  async #fetchOnce(): Promise<void> {
    const { bus, feed, onError } = this.#options;
    try {
      const fetched = await fetchSince(bus, feed, this.#position, this.#stopping.signal);
      this.#apply(fetched, await this.#othersOf(fetched));
      this.#lastFetchWorked = true;
      const { epoch, revision } = this.#announced;
      if (epoch === this.#position.epoch && revision > this.#position.revision) this.#wanted = true;
    } catch (error) {
      this.#lastFetchWorked = false;
      if (!this.#stopping.signal.aborted) onError(error);
    }
  }

  /** Those that are others than what is here. Of all items that come again nearly none is. */
  async #othersOf({ items }: Fetched): Promise<Change<Schema>['changed']> {
    const others: Change<Schema>['changed'] = [];
    let compared = 0;
    for (const [id, now] of items as Map<string, Static<Schema> & Identified>) {
      const before = this.#items.get(id);
      if (!isDeepStrictEqual(before, now)) others.push({ now, before });
      compared += 1;
      if (compared % comparedPerTurn === 0) await turn();
    }
    this.#stopping.signal.throwIfAborted();
    return others;
  }

  #apply(fetched: Fetched, changed: Change<Schema>['changed']): void {
    const { items, whole } = fetched;
    const gone = whole ? [...this.#items.keys()].filter((id) => !items.has(id)) : fetched.deleted;
    const change: Change<Schema> = { changed, deleted: [] };
    for (const id of gone) {
      const before = this.#items.get(id);
      if (before !== undefined) change.deleted.push(before);
      this.#items.delete(id);
    }
    for (const { now } of changed) this.#items.set(now.id, now);
    this.#position = { epoch: fetched.epoch, revision: fetched.revision };
    this.#synced.resolve();
    if (change.changed.length + change.deleted.length > 0) this.#options.onChange?.(change);
  }
}
