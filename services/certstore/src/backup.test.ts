import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { BackupSource } from '@postern/backup';
import { MemoryHub } from '@postern/bus';
import { certificateFeed } from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import { type Store, type StoredDocument, openSqlite } from '@postern/store';
import { backupSource } from './backup.ts';
import { certificateSource } from './certificate-feed.ts';
import { type SecretDocument, openDocuments, secretCollection } from './document.ts';
import { sealSecret } from './secret/envelope.ts';
import { KeyRing, localKeys } from './secret/key-ring.ts';

const newKey = (): string => randomBytes(32).toString('base64');

describe('what certstore has backed up', () => {
  let store: Store;
  let ring: KeyRing;
  let feed: FeedOwner;
  let source: BackupSource;

  beforeEach(async () => {
    store = openSqlite(':memory:');
    const key = newKey();
    ring = await KeyRing.open(async () => localKeys(key));
    const parts = {
      feed: certificateFeed,
      store,
      bus: new MemoryHub().connect(),
      source: certificateSource(await openDocuments(store)),
    };
    feed = await FeedOwner.open({ ...parts, onError: (error) => assert.fail(String(error)) });
    source = await backupSource(store, ring, feed);
  });
  afterEach(async () => {
    await feed.stop();
    await store.close();
  });

  async function secret(id: string, by = ring, placedAt = id): Promise<SecretDocument> {
    const place = { collection: secretCollection, id: placedAt, version: 1 };
    const sealed = await sealSecret(by, place, Buffer.from('a secret'));
    return { id, revision: 1, version: 1, sealed };
  }

  const check = async (...documents: StoredDocument[]): Promise<void> =>
    source.check?.(new Map([[secretCollection, documents]]));

  it('is taken when its secrets open under a key that is here', async () => {
    await check(await secret('a'), await secret('b'));
  });

  it('is refused where a secret does not open, with the document and what to do', async () => {
    const damaged = { code: 'BACKUP_DAMAGED', message: /the secret of b of certstore_secrets.*an older one/ };
    const whole = await secret('b');
    const cut: SecretDocument = { ...whole, sealed: whole.sealed.slice(0, 16) };
    const none: SecretDocument = { ...whole, sealed: '' };
    await assert.rejects(check(await secret('a'), cut), damaged);
    await assert.rejects(check(none), damaged);
    await assert.rejects(check(await secret('b', ring, 'a')), damaged);
  });

  it('is refused where the key is not here', async () => {
    const otherKey = newKey();
    const other = await KeyRing.open(async () => localKeys(otherKey));
    await assert.rejects(check(await secret('a', other)), { code: 'BACKUP_KEY_MISSING' });
  });

  it('names the document whose secret is none, when a backup is made', () => {
    const document: SecretDocument = { id: 'c', revision: 1, version: 1, sealed: 'nonsense' };
    assert.throws(() => source.keyIdOf?.(secretCollection, document), {
      code: 'CERTSTORE_SECRET_DAMAGED',
      message: /the secret of c in certstore_secrets.*upload the certificate of that ID/,
    });
  });
});
