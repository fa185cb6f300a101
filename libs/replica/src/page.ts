/** Answers come in pages well below the longest message of the bus; one item alone may be as long as a message. */
import { messageBytesMax } from '@postern/bus';
import type { Page } from '@postern/store';

/** Where a page ends, in bytes of its items. */
export const pageBytes = messageBytesMax / 4;

/** Where a page of a list ends: what is around its items needs little. */
const listBytes = messageBytesMax / 2;

/** A page that fits a message: one that would not is cut, and its cursor is then the ID of its last item. */
export function fitPage<Item>(page: Page<Item>, idOf: (item: Item) => string): Page<Item> {
  const items = takePage(page.items, listBytes);
  const last = items.at(-1);
  return last === undefined || items.length === page.items.length ? page : { items, nextCursor: idOf(last) };
}

/** The first items that fill a page of at most so many bytes; at least one when there are any. */
export function takePage<Item>(items: Iterable<Item>, bytesMax = pageBytes): Item[] {
  const page: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    bytes += Buffer.byteLength(JSON.stringify(item));
    if (page.length > 0 && bytes > bytesMax) break;
    page.push(item);
  }
  return page;
}
