/** For documents that may be another copy of themselves than when they were last served. */
import type { Feed } from '@postern/contracts';
import type { Store } from '@postern/store';
import { FeedLog } from './feed-log.ts';

/**
 * Makes everybody who follows these feeds fetch everything. Before their owners serve: in an older copy revisions go back, and
 * who has seen higher ones of the same epoch would keep to them.
 */
export async function renewEpochs(store: Store, feeds: readonly Pick<Feed, 'name'>[]): Promise<void> {
  for (const { name } of feeds) {
    const log = await FeedLog.open(store, name);
    await store.transaction((within) => log.renewEpoch(within));
  }
}
