/** Going through a collection of any size, with no more of it in memory than a page. */
import type { Collection, ListOptions, Page, StoredDocument } from './store.ts';

/** All that `list` gives, page after page; what is behind may be deleted meanwhile. */
export async function* every<T extends StoredDocument>(
  collection: Collection<T>,
  options: ListOptions = {},
): AsyncGenerator<T> {
  let { cursor = null } = options;
  do {
    const page: Page<T> = await collection.list({ ...options, cursor });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== null);
}
