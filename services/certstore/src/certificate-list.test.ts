import assert from 'node:assert/strict';
import { X509Certificate, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { MemoryHub, messageBytesMax } from '@postern/bus';
import { certificateFeed, pageItemsMax } from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import { openSqlite } from '@postern/store';
import { createAuthority } from '@postern/tls';
import { certificateSource } from './certificate-feed.ts';
import { Certificates } from './certificates.ts';
import { readContents } from './upload/contents.ts';
import { openDocuments } from './document.ts';
import { IntakeKey } from './material/intake-key.ts';
import { KeyRing, localKeys } from './secret/key-ring.ts';
import { Usage } from './usage.ts';

async function setUp(t: TestContext) {
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
  return { documents, certificates };
}

test('contents that several want stored once at the same time are stored once', async (t) => {
  const { documents, certificates } = await setUp(t);
  const { certificatePem } = await createAuthority({ commonName: 'Shop CA' });
  const contents = readContents(
    { certificates: [new X509Certificate(certificatePem)], keys: [] },
    new Date(),
  );
  const ids = await Promise.all(['a', 'b', 'c'].map((name) => certificates.storeOnce(name, contents)));
  assert.equal(await documents.certificates.count(), 1);
  assert.equal(new Set(ids).size, 1);
});

test('there are at most as many certificates as the settings say, also of those that are stored at the same moment', async (t) => {
  const { documents, certificates } = await setUp(t);
  const { certificatePem } = await createAuthority({ commonName: 'Shop CA' });
  const contents = readContents(
    { certificates: [new X509Certificate(certificatePem)], keys: [] },
    new Date(),
  );
  const names = Array.from({ length: 11 }, (_, index) => `shop ${index}`);
  const stored = await Promise.allSettled(names.map((name) => certificates.store(name, contents)));
  const refused = stored.filter(({ status }) => status === 'rejected');
  assert.deepEqual(
    refused.map((one) => (one as PromiseRejectedResult).reason.code),
    ['CERTSTORE_LIMIT'],
  );
  assert.equal(await documents.certificates.count(), 10);
});

test('a page of certificates ends where more would not fit a message of the bus', async (t) => {
  const { documents, certificates } = await setUp(t);
  const { certificatePem } = await createAuthority({ commonName: 'Shop CA' });
  const contents = readContents(
    { certificates: [new X509Certificate(certificatePem)], keys: [] },
    new Date(),
  );
  const { id } = await certificates.store('shop', contents);
  const made = await documents.certificates.get(id);
  assert.ok(made);
  const san = Array.from({ length: 500 }, (_, index) => `DNS:${'x'.repeat(40)}.${index}.shop.example`);
  for (let index = 0; index < 100; index += 1)
    await documents.certificates.insert({ ...made, revision: 1, id: `${id}${index}`, san });
  let listed = 0;
  let cursor: string | null = null;
  do {
    const page = await certificates.list({ limit: pageItemsMax, cursor });
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < messageBytesMax);
    listed += page.items.length;
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.equal(listed, 101);
});
