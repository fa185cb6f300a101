import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '@postern/tunnel';
import { CloudBook } from './cloud-book.ts';

const session = (): Session => ({}) as Session;
const list = (id: string) => [
  { id, name: id, protocol: 'tcp' as const, clientPort: 1, host: 'h', port: 1, idleTimeoutSeconds: 0 },
];
const ids = (book: CloudBook): string[] => book.destinations.map(({ id }) => id);

test('of the cloud destinations that nodes tell, the newest list counts', () => {
  const book = new CloudBook();
  assert.deepEqual(ids(book), []);
  const [ahead, behind] = [session(), session()];
  book.set(ahead, { revision: 7, destinations: list('new') });
  book.set(behind, { revision: 3, destinations: list('old') });
  assert.deepEqual(ids(book), ['new']);
  book.forget(ahead);
  assert.deepEqual(ids(book), ['new']);
  book.set(behind, { revision: 8, destinations: [] });
  assert.deepEqual(ids(book), []);
});

test('the last list stays when the last tunnel is gone', () => {
  const book = new CloudBook();
  const only = session();
  book.set(only, { revision: 1, destinations: list('a') });
  book.forget(only);
  assert.deepEqual(ids(book), ['a']);
  book.set(session(), { revision: 0, destinations: list('b') });
  assert.deepEqual(ids(book), ['a'], 'a node that lags behind brings nothing back');
  book.set(session(), { revision: 2, destinations: list('c') });
  assert.deepEqual(ids(book), ['c']);
});
