/**
 * Fetches what changed since a position, page by page. The position it brings is that of the first page: what
 * changed while the others were fetched is among them already, or comes again with the next fetch.
 */
import { ask, type Feed } from '@postern/contracts';
import type { Bus } from '@postern/bus';
import { ReplicaError } from './replica-error.ts';
import type { Identified } from './feed-owner.ts';
import type { Position } from './feed-log.ts';

/** Most items of a feed. */
const feedItemsMax = 200_000;

/** All that a fetch brought. */
export interface Fetched extends Position {
  /** These are all there are. */
  whole: boolean;
  items: Map<string, Identified>;
  deleted: Set<string>;
}

/** Resolves with all pages. Rejects when the owner is out of reach, or changes its mind between two pages. */
export async function fetchSince(
  bus: Bus,
  feed: Feed,
  since: Position,
  signal: AbortSignal,
): Promise<Fetched> {
  let fetched: Fetched | null = null;
  for (let after: string | undefined; ;) {
    const page = await ask(
      bus,
      feed.since,
      { ...since, ...(after === undefined ? {} : { after }) },
      { signal },
    );
    const { epoch, revision, whole } = page;
    fetched ??= { epoch, revision, whole, items: new Map(), deleted: new Set() };
    if (fetched.epoch !== epoch || fetched.whole !== whole) {
      throw new ReplicaError('REPLICA_FEED_CHANGED', `${feed.name} was renewed while it was fetched`);
    }
    for (const item of page.items as Identified[]) fetched.items.set(item.id, item);
    for (const id of page.deleted) fetched.deleted.add(id);
    if (fetched.items.size > feedItemsMax) {
      throw new ReplicaError('REPLICA_FEED_TOO_LARGE', `${feed.name} has more than ${feedItemsMax} items`);
    }
    if (!page.more) return fetched;
    after = lastId(page.items as Identified[], page.deleted, feed.name);
  }
}

function lastId(items: readonly Identified[], deleted: readonly string[], name: string): string {
  const ids = [items.at(-1)?.id, deleted.at(-1)].filter((id) => id !== undefined).sort();
  const last = ids.at(-1);
  if (last === undefined)
    throw new ReplicaError('REPLICA_FEED_CHANGED', `${name} has an empty page before its last`);
  return last;
}
