import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FeedOwner } from '@postern/replica';
import { type StoredDocument, openSqlite } from '@postern/store';
import { backupSource } from './backup.ts';
import { openDocuments } from './document.ts';
import { FrontClaims } from './front-claims.ts';

const options = {
  platformHost: 'p.example',
  frontPortFirst: 15000,
  frontPortLast: 15002,
  reservedPorts: [],
  sharedPort: 8443,
  sharedHttpPort: 8080,
  portRestDays: 30,
};

async function check(change: Partial<typeof options>, documents: Record<string, StoredDocument[]>) {
  const claims = new FrontClaims({ ...options, ...change }, Date.now);
  // A check reads no feed.
  const feeds = {} as { gateways: FeedOwner; routes: FeedOwner };
  const source = backupSource(await openDocuments(openSqlite(':memory:')), feeds, claims);
  await source.check?.(new Map(Object.entries(documents)));
}

const destination = (id: string, port: number, protocol: string, mode: string): StoredDocument =>
  ({
    id,
    revision: 1,
    name: id,
    front: { host: `${id}.Example`, port, protocol, tls: { mode } },
  }) as StoredDocument;
const front = (id: string, destinationId: string | null): StoredDocument =>
  ({ id, revision: 1, gatewayId: 'g', destinationId, restsUntil: null }) as StoredDocument;

const secure = destination('secure', 8443, 'tcp', 'server');
const web = destination('web', 8080, 'http', 'none');
const alone = destination('alone', 15_000, 'udp', 'none');
const cloud = { id: 'cloud', revision: 1 };
const held = [
  front('tls:8443:secure.example', 'secure'),
  front('http:8080:web.example', 'web'),
  front('udp:15000', 'alone'),
  front('tcp:15001', null),
];

test('a backup is taken where each destination holds the place of its front', async () => {
  await check({}, { destinations: [secure, web, alone, cloud], fronts: held });
  await check({ sharedPort: 443, sharedHttpPort: 80 }, { destinations: [alone, cloud], fronts: held });
});

test('a backup of a platform with other shared ports is refused, and says with which to start', async () => {
  const refused = {
    code: 'BACKUP_PORTS_OTHER',
    message: /8443 as its connect port, 8080 as its port for plain HTTP/,
  };
  const destinations = [secure, web, alone];
  await assert.rejects(check({ sharedPort: 443 }, { destinations, fronts: held }), refused);
  await assert.rejects(check({ sharedHttpPort: 80 }, { destinations, fronts: held }), refused);
  const own = { destinations: [destination('own', 443, 'tcp', 'server')], fronts: [front('tcp:443', 'own')] };
  await check({}, own);
  await assert.rejects(check({ sharedPort: 443 }, own), { code: 'BACKUP_PORTS_OTHER' });
});

test('a front that is not in the backup rests after a restore, so that nobody else has its callers at once', async () => {
  const claims = new FrontClaims(options, () => Date.parse('2026-01-01'));
  const feeds = {} as { gateways: FeedOwner; routes: FeedOwner };
  const source = backupSource(await openDocuments(openSqlite(':memory:')), feeds, claims);
  const fronts = source.collections.find(({ collection }) => collection.name === 'fronts');
  const rested = { ...front('tcp:15001', null), restsUntil: '2026-01-31T00:00:00.000Z' };
  assert.deepEqual(fronts?.left?.(front('tcp:15001', 'since'), null), rested);
  assert.equal(fronts?.left?.(rested, null), rested);
});

test('a backup of which two destinations have one front, or one has a front that rests, is refused', async () => {
  const fronts = [front('tcp:15000', 'a')];
  const [a, b] = [destination('a', 15_000, 'tcp', 'none'), destination('b', 15_000, 'tcp', 'none')];
  await check({}, { destinations: [a], fronts });
  await assert.rejects(check({}, { destinations: [a, b], fronts }), { code: 'BACKUP_PORTS_OTHER' });
  await assert.rejects(check({}, { destinations: [a], fronts: [front('tcp:15000', null)] }), {
    code: 'BACKUP_PORTS_OTHER',
  });
});
