/**
 * The owner's side of a feed (docs/ARCHITECTURE.md, "Feeds"). The owner calls `raise` or `record` in the transaction of its
 * change and `beat` after it; this answers followers, and beats the stored position each second, so that a change
 * whose beat was lost, or that another replica of the owner made, is seen within that second.
 */
import type { Bus, Subscription } from '@postern/bus';
import { announce, answer, type Feed } from '@postern/contracts';
import { clockDifference, isClockOff, type Page, type Store } from '@postern/store';
import type { Static, TSchema } from 'typebox';
import { Attendance } from './attendance.ts';
import { systemClock, type Clock } from './clock.ts';
import { FeedLog, type Position, type Within } from './feed-log.ts';
import { takePage } from './page.ts';

/** How often the stored position is announced. */
export const beatIntervalMs = 1_000;
/** Most IDs that are read for one page. */
const idsPerPage = 200;

/** Where an owner's items come from; they are read outside of any transaction. */
export interface FeedSource<Item> {
  /** Those of the IDs that exist, as they are now, in any order. */
  read(ids: readonly string[]): Promise<Item[]>;
  /** A page of all items in the order of their IDs, from the first after `cursor`; as the store's collections list. */
  list(cursor: string | null): Promise<Page<Item>>;
}

/** What an owner's side is made of. */
export interface FeedOwnerOptions<Schema extends TSchema> {
  feed: Feed<Schema>;
  store: Store;
  bus: Bus;
  source: FeedSource<Static<Schema> & Identified>;
  /** Told when the store cannot be read; followers go on with what they have. */
  onError: (error: unknown) => void;
  /** Told once the documents were restored, by whichever replica: what was loaded of them is to be loaded anew. */
  onRestored?: () => void;
  clock?: Clock;
}

/** What has an ID. */
export interface Identified {
  id: string;
}

type Since = ReturnType<Feed['since']['checkRequest']>;
type Beat = ReturnType<Feed['beat']['checkBody']>;
type Changes = ReturnType<Feed['since']['checkAnswer']>;

/** What a beat tells. */
interface Read {
  position: Position;
  /** By how many ms the own clock is ahead of the database's; only where that harms. */
  clockMs: number | undefined;
}

/** One replica's side of the feed that it owns. Made by `open`, serves until `stop`. */
export class FeedOwner {
  /** Where the owner answers in a queue: not while this replica alone cannot read what it answers from, or has a wrong clock. */
  readonly attendance: Attendance;
  readonly #feed: Feed;
  readonly #log: FeedLog;
  readonly #store: Pick<Store, 'time'>;
  readonly #bus: Bus;
  readonly #source: FeedSource<Identified>;
  readonly #onError: (error: unknown) => void;
  readonly #onRestored: () => void;
  readonly #openedEpoch: string;
  readonly #subscriptions: Subscription[];
  readonly #stopBeats: () => void;
  #position: Position;
  #beating: Promise<void> | null = null;
  #beatAgain = false;
  #stopped = false;

  private constructor(options: FeedOwnerOptions<TSchema>, log: FeedLog, { position, clockMs }: Read) {
    this.#feed = options.feed;
    this.#log = log;
    this.#store = options.store;
    this.#bus = options.bus;
    this.#source = options.source;
    this.#onError = options.onError;
    this.#onRestored = options.onRestored ?? (() => {});
    this.#openedEpoch = position.epoch;
    this.#position = position;
    const { clock = systemClock } = options;
    this.attendance = new Attendance(this.#bus, clock, clockMs === undefined);
    const heard = (beat: unknown): void => {
      if ((beat as Partial<Beat> | null)?.clockMs === undefined) this.attendance.handleBeat();
    };
    this.#subscriptions = [
      answer(this.attendance, this.#feed.since, (request) => this.#answer(request), {
        queue: this.#feed.name,
        onError: this.#onError,
      }),
      // A beat that does not fit the schema is a beat all the same.
      this.#bus.subscribe(this.#feed.beat.subject, heard),
    ];
    this.#stopBeats = clock.every(beatIntervalMs, () => {
      this.attendance.look();
      this.beat();
    });
  }

  /** Makes the feed's counter where it is missing, serves it, and beats. */
  static async open<Schema extends TSchema>(options: FeedOwnerOptions<Schema>): Promise<FeedOwner> {
    const log = await FeedLog.open(options.store, options.feed.name);
    const owner = new FeedOwner(options, log, await read(log, options.store));
    owner.beat();
    return owner;
  }

  /** Where the feed stood when it was last read, for status and metrics. */
  get position(): Position {
    return this.#position;
  }

  /**
   * Raises the feed's counter in the transaction of a change, as the first that it does; what it gives logs which items
   * changed or were deleted, as the last.
   */
  raise(within: Within): Promise<(ids: readonly string[]) => Promise<void>> {
    return this.#log.raise(within);
  }

  /** Both at once, for a change that is no longer than that. */
  async record(within: Within, ids: readonly string[]): Promise<void> {
    const log = await this.raise(within);
    await log(ids);
  }

  /** Announces the stored position; call it after a change. Never throws. */
  beat(): void {
    this.#beatAgain = true;
    this.#beating ??= this.#beats();
  }

  /** Makes every follower fetch everything, as part of the transaction that restores documents. The next beat tells. */
  renewEpoch(within: Within): Promise<void> {
    return this.#log.renewEpoch(within);
  }

  /** Whether the documents are still those that were there at `open`: not restored since, by any replica. */
  async isCurrent(): Promise<boolean> {
    return (await this.#log.position()).epoch === this.#openedEpoch;
  }

  /** Answers no more, and resolves when nothing of it runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopBeats();
    for (const subscription of this.#subscriptions) subscription.close();
    await this.#beating;
  }

  async #beats(): Promise<void> {
    while (this.#beatAgain && !this.#stopped) {
      this.#beatAgain = false;
      try {
        const { epoch } = this.#position;
        const { position, clockMs } = await read(this.#log, this.#store);
        this.#position = position;
        if (clockMs === undefined) this.attendance.handleWell();
        announce(this.#bus, this.#feed.beat, { ...position, ...(clockMs === undefined ? {} : { clockMs }) });
        if (this.#position.epoch !== epoch) this.#onRestored();
      } catch (error) {
        this.#onError(error);
      }
    }
    // In the same turn as the last look: what is asked for later begins another.
    this.#beating = null;
  }

  /** The position is read before the items: they may be newer than it says, never older. */
  async #answer({ epoch, revision, after }: Since): Promise<Changes> {
    const position = await this.#log.position();
    const changed =
      epoch === position.epoch ? await this.#log.changedBetween(revision, position.revision) : null;
    const page =
      changed === null ? await this.#whole(after ?? null) : await this.#changes(changed, after ?? '');
    return { ...position, whole: changed === null, ...page };
  }

  async #whole(after: string | null): Promise<Pick<Changes, 'items' | 'deleted' | 'more'>> {
    for (let cursor = after; ;) {
      const page = await this.#source.list(cursor);
      const items = takePage(page.items);
      const more = items.length < page.items.length || page.nextCursor !== null;
      if (items.length > 0 || !more) return { items, deleted: [], more };
      cursor = page.nextCursor;
    }
  }

  async #changes(
    changed: ReadonlySet<string>,
    after: string,
  ): Promise<Pick<Changes, 'items' | 'deleted' | 'more'>> {
    const left = [...changed].filter((id) => id > after).sort();
    const ids = left.slice(0, idsPerPage);
    const found = new Map((await this.#source.read(ids)).map((item) => [item.id, item]));
    const page = takePage(ids.map((id) => found.get(id) ?? { id, deleted: true }));
    const items = page.flatMap(({ id }) => found.get(id) ?? []);
    const deleted = page.flatMap(({ id }) => (found.has(id) ? [] : [id]));
    return { items, deleted, more: page.length < left.length };
  }
}

async function read(log: FeedLog, store: Pick<Store, 'time'>): Promise<Read> {
  const [position, difference] = await Promise.all([log.position(), clockDifference(store)]);
  return { position, clockMs: isClockOff(difference) ? difference : undefined };
}
