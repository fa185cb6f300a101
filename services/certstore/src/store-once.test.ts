import assert from 'node:assert/strict';
import { X509Certificate, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { certificateFeed } from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import { openSqlite } from '@postern/store';
import { createAuthority } from '@postern/tls';
import { Certificates, certificateSource } from './certificates.ts';
import { readContents } from './contents.ts';
import { openDocuments } from './document.ts';
import { IntakeKey } from './intake-key.ts';
import { KeyRing, localKeys } from './key-ring.ts';
import { Usage } from './usage.ts';

test('contents that several want stored once at the same time are stored once', async (t) => {
  const store = openSqlite(':memory:');
  const bus = new MemoryHub().connect();
  const documents = await openDocuments(store);
  const key = randomBytes(32).toString('base64');
  const wrapper = await KeyRing.open(async () => localKeys(key));
  const onError = (error: unknown): void => assert.fail(String(error));
  const source = certificateSource(documents);
  const feed = await FeedOwner.open({ feed: certificateFeed, store, bus, source, onError });
  t.after(async () => {
    await feed.stop();
    await store.close();
  });
  const certificates = new Certificates({
    bus,
    store,
    documents,
    feed,
    usage: new Usage(bus, onError),
    intake: await IntakeKey.open(documents, wrapper),
    wrapper,
    now: () => new Date(),
    certificatesMax: 10,
    passwords: { misfitOf: async () => null },
  });
  const { certificatePem } = await createAuthority({ commonName: 'Shop CA' });
  const contents = readContents(
    { certificates: [new X509Certificate(certificatePem)], keys: [] },
    new Date(),
  );
  const ids = await Promise.all(['a', 'b', 'c'].map((name) => certificates.storeOnce(name, contents)));
  assert.equal(await documents.certificates.count(), 1);
  assert.equal(new Set(ids).size, 1);
});
