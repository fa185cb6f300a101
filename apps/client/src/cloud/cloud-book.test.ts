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
  book.set(ahead, 7, list('new'));
  book.set(behind, 3, list('old'));
  assert.deepEqual(ids(book), ['new']);
  book.forget(ahead);
  assert.deepEqual(ids(book), ['old']);
  book.set(behind, 8, []);
  assert.deepEqual(ids(book), []);
});

test('the last list stays when the last tunnel is gone', () => {
  const book = new CloudBook();
  const only = session();
  book.set(only, 1, list('a'));
  book.forget(only);
  assert.deepEqual(ids(book), ['a']);
  book.set(session(), 0, list('b'));
  assert.deepEqual(ids(book), ['b']);
});
