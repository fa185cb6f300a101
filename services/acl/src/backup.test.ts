import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretHash } from '@postern/contracts';
import type { FeedOwner } from '@postern/replica';
import { type StoredDocument, openSqlite } from '@postern/store';
import { backupSource } from './backup.ts';
import { type ApiKeyDocument, type TokenDocument, openDocuments } from './document.ts';

const at = '2026-01-01T00:00:00.000Z';
const dated = { revision: 1, createdAt: at, modifiedAt: at };
const token = (id: string, revokedAt: string | null = null): TokenDocument => ({
  id,
  ...dated,
  gatewayId: 'g',
  note: 'for the office',
  hash: secretHash(id),
  expiresAt: null,
  revoked: revokedAt !== null,
  revokedAt,
});
const apiKey = (id: string): ApiKeyDocument => ({
  id,
  ...dated,
  name: 'ann',
  role: 'owner',
  gateways: null,
  hash: secretHash(id),
});

async function owner() {
  const documents = await openDocuments(openSqlite(':memory:'));
  // What is looked at here reads no feed.
  const source = backupSource(documents, {} as FeedOwner);
  const warnings = (tokens: StoredDocument[], apiKeys: StoredDocument[] = []) =>
    source.warnings?.(new Map(Object.entries({ tokens, apiKeys })));
  return { documents, source, warnings };
}

test('a restore names the tokens and API keys that were taken away since the backup, and are good again', async () => {
  const { documents, warnings } = await owner();
  await documents.policies.put({ id: 'g', ...dated, name: 'office', enabled: true, requireToken: true });
  await documents.tokens.put(token('stays'));
  await documents.tokens.put(token('revoked', '2026-02-01T00:00:00.000Z'));
  await documents.apiKeys.put(apiKey('own'));
  const restored = [token('stays'), token('revoked'), token('swept'), token('before', at)];
  assert.deepEqual(await warnings(restored, [apiKey('own'), apiKey('deleted')]), [
    'good again: the API key deleted (ann, owner), which was deleted',
    'good again: the security token revoked (for the office, gateway office), revoked at 2026-02-01T00:00:00.000Z',
    'good again: the security token swept (for the office, gateway office), which is gone',
  ]);
});

test('of more than a hundred a restore says how many, and in a new platform nothing', async () => {
  const { documents, warnings } = await owner();
  const many = Array.from({ length: 103 }, (_, n) => token(`t${n}`));
  assert.deepEqual(await warnings(many, [apiKey('own')]), []);
  await documents.tokens.put(token('other'));
  const told = await warnings(many);
  assert.deepEqual([told?.length, told?.at(-1)], [101, 'good again: 3 more']);
});

test('what a restore is compared with is read in pages, however many documents there are', async (context) => {
  const { documents, warnings } = await owner();
  for (const id of ['a', 'b', 'c']) {
    await documents.tokens.put(token(id));
    await documents.apiKeys.put(apiKey(id));
  }
  const { tokens, apiKeys, policies } = documents;
  const reads = [tokens, apiKeys, policies].flatMap((collection) => [
    context.mock.method(collection, 'get'),
    context.mock.method(collection, 'list'),
  ]);
  await warnings([token('a'), token('b'), token('gone')], [apiKey('a'), apiKey('gone')]);
  assert.deepEqual(
    reads.map(({ mock }) => mock.callCount()),
    [0, 1, 0, 1, 0, 1],
  );
});

test('a restore keeps the API key that asks for it, and no other that the backup lacks', async () => {
  const { source } = await owner();
  const keys = source.collections.find(({ collection }) => collection.name === 'apiKeys');
  const tokens = source.collections.find(({ collection }) => collection.name === 'tokens');
  assert.deepEqual(keys?.left?.(apiKey('asks'), 'asks'), apiKey('asks'));
  assert.equal(keys?.left?.(apiKey('other'), 'asks'), null);
  assert.equal(tokens?.left?.(token('asks'), 'asks'), null);
});
