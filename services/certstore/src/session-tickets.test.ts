import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openSqlite } from '@postern/store';
import { openDocuments } from './document.ts';
import { KeyRing, localKeys } from './key-ring.ts';
import { SessionTickets, sessionTicketPeriodMs } from './session-tickets.ts';

test('all replicas give the same secret, for a period, sealed at rest, and never go back', async (t) => {
  const store = openSqlite(':memory:');
  t.after(() => store.close());
  const documents = await openDocuments(store);
  const key = randomBytes(32).toString('base64');
  const wrapper = await KeyRing.open(async () => localKeys(key));
  let now = 20_000 * sessionTicketPeriodMs;
  const replica = (ahead = 0) => new SessionTickets({ documents, wrapper, now: () => new Date(now + ahead) });
  const first = await Promise.all([replica().current(), replica().current(), replica().current()]);
  const [given] = first;
  assert.deepEqual(first, [given, given, given]);
  assert.equal(given.revision, 20_000);
  assert.equal(Buffer.from(given.secret, 'base64').length, 32);
  assert.ok(!JSON.stringify((await documents.secrets.list()).items).includes(given.secret.slice(0, 20)));
  now += sessionTicketPeriodMs - 1;
  assert.deepEqual(await replica().current(), given);
  const ahead = await replica(1).current();
  assert.equal(ahead.revision, 20_001);
  assert.notEqual(ahead.secret, given.secret);
  assert.deepEqual(await replica().current(), ahead);
});
