/** Answers come in pages well below the longest message of the bus; one item alone may be as long as a message. */
import { messageBytesMax } from '@postern/bus';

/** Where a page ends, in bytes of its items. */
export const pageBytes = messageBytesMax / 4;

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
