import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { MemoryHub } from '@postern/bus';
import {
  type BackupPart,
  type BackupRoom,
  type HeldBackupPart,
  answererOf,
  ask,
  backupPieceBytes,
  backupQuestions,
  policyFeed,
} from '@postern/contracts';
import { FeedOwner } from '@postern/replica';
import {
  type Collection,
  type DocumentStep,
  type StoredDocument,
  documentBytesMax,
  newId,
  openSqlite,
} from '@postern/store';
import { Type } from 'typebox';
import { digestOf, documentsMax, packPart, unpackPart } from './part.ts';
import { Restores } from './restore.ts';
import { serveBackup } from './serve.ts';
import type { BackedUpCollection, BackupSource } from './source.ts';

const schema = Type.Object({ name: Type.Optional(Type.String()) });

interface Thing extends StoredDocument {
  [key: string]: unknown;
}

const splitName: DocumentStep = {
  compatible: false,
  change: ({ name, ...rest }) => ({ ...rest, names: [name] }),
};

/** An owner of `things`, whose program knows these steps. */
async function owner(
  steps: readonly DocumentStep[] = [],
  room: BackupRoom = 'acl',
  check: () => Promise<void> = async () => {},
  more: Pick<BackedUpCollection, 'left'> & Pick<BackupSource, 'warnings'> = {},
) {
  const store = openSqlite(':memory:');
  const bus = new MemoryHub().connect();
  const things: Collection<Thing> = await store.collection('things', { steps, unique: [['key.of']] });
  const onError = (error: unknown): void => assert.fail(String(error));
  const serve = answererOf({
    bus,
    queue: 'acl',
    metrics: { answered: () => {} },
    logger: { error: onError },
  });
  const { left, warnings } = more;
  const collections = [{ collection: things, restore: 'replace', fills: true, schema, left } as const];
  const logged: object[] = [];
  await serveBackup({
    bus,
    store,
    source: { room, collections, feeds: [], check, warnings },
    serve,
    onError,
    logger: { warn: (fields) => void logged.push(fields) },
  });
  return { bus, things, questions: backupQuestions(room), logged };
}

type Owner = Awaited<ReturnType<typeof owner>>;

async function read({ bus, questions }: Owner, { handle }: HeldBackupPart): Promise<Buffer> {
  const [suffix = '', snapshot = ''] = handle.split('.');
  const pieces: Buffer[] = [];
  for (let offset: number | null = 0; offset !== null;) {
    const piece: { data: string; nextOffset: number | null } = await ask(
      bus,
      questions.read,
      { snapshot, offset },
      { suffix },
    );
    pieces.push(Buffer.from(piece.data, 'base64'));
    offset = piece.nextOffset;
  }
  return Buffer.concat(pieces);
}

async function taken(from: Owner): Promise<{ part: BackupPart; bytes: Buffer }> {
  const held = await ask(from.bus, from.questions.begin, {});
  const { handle: _handle, ...part } = held;
  return { part, bytes: await read(from, held) };
}

/** Up to the commit; gives the restore's ID. */
async function given(
  { bus, questions }: Owner,
  part: BackupPart,
  bytes: Buffer,
  overwrite = false,
): Promise<string> {
  const restoreId = newId();
  await ask(bus, questions.beginRestore, { restoreId, part, overwrite });
  for (let index = 0; index * backupPieceBytes < bytes.length; index += 1) {
    const piece = bytes.subarray(index * backupPieceBytes, (index + 1) * backupPieceBytes);
    await ask(bus, questions.chunk, { restoreId, index, data: piece.toString('base64') });
  }
  await ask(bus, questions.check, { restoreId });
  return restoreId;
}

/** A part of these lines, for acl. */
function packed(lines: readonly string[], documents: number): [BackupPart, Buffer] {
  const bytes = gzipSync(`${lines.join('\n')}\n`);
  return [{ room: 'acl', bytes: bytes.length, sha256: digestOf(bytes), documents, keyIds: [] }, bytes];
}

const commit = ({ bus, questions }: Owner, restoreId: string) => ask(bus, questions.commit, { restoreId });

it('gives back what was there, revisions too, and takes away what was not, in as many pieces as it needs', async () => {
  const [from, to] = [await owner(), await owner()];
  const noise = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString('base64');
  for (let n = 0; n < 12; n += 1) await from.things.put({ id: `t${n}`, revision: n + 1, noise: noise() });
  await to.things.put({ id: 'old', revision: 1 });
  const { part, bytes } = await taken(from);
  assert(bytes.length > 2 * backupPieceBytes);
  await commit(to, await given(to, part, bytes, true));
  assert.deepEqual(await to.things.list(), await from.things.list());
});

it('leaves of what is not in the backup what its owner says, for whoever restores, and logs once what it warns of', async () => {
  const from = await owner();
  const to = await owner([], 'acl', undefined, {
    left: (document, by) =>
      document.id === by ? document : document.id === 'b' ? { ...document, rests: true } : null,
    warnings: async (contents) => [`${contents.get('things')?.length} things`],
  });
  await from.things.put({ id: 'own', revision: 1 });
  for (const id of ['a', 'b', 'key']) await to.things.put({ id, revision: 3 });
  const { part, bytes } = await taken(from);
  const restoreId = await given(to, part, bytes, true);
  const by = { id: 'key', name: 'ann' };
  for (let asked = 0; asked < 2; asked += 1) await ask(to.bus, to.questions.commit, { restoreId, by });
  const { items } = await to.things.list();
  assert.deepEqual(items, [
    { id: 'b', revision: 4, rests: true },
    { id: 'key', revision: 3 },
    { id: 'own', revision: 1 },
  ]);
  assert.deepEqual(to.logged, [{ restoreId, by, warnings: ['1 things'] }]);
});

it('refuses a platform in use unless it may overwrite, or is at the same file again', async () => {
  const [from, to] = [await owner(), await owner()];
  await from.things.put({ id: 'a', revision: 1 });
  const { part, bytes } = await taken(from);
  const first = await given(to, part, bytes);
  await to.things.put({ id: 'b', revision: 1 });
  await assert.rejects(commit(to, first), { code: 'BACKUP_PLATFORM_FILLED' });
  await assert.rejects(given(to, part, bytes), { code: 'BACKUP_PLATFORM_FILLED' });
  await to.things.delete('b');
  const second = await given(to, part, bytes);
  await commit(to, second);
  await commit(to, second);
  await commit(to, await given(to, part, bytes));
  // Restored over itself it is another revision: none ever goes back.
  assert.deepEqual((await to.things.list()).items, [{ id: 'a', revision: 2 }]);
});

it('is at the same file again also when that was broken off again, or abandoned', async () => {
  const [from, to] = [await owner(), await owner()];
  await from.things.put({ id: 'a', revision: 1 });
  const { part, bytes } = await taken(from);
  await commit(to, await given(to, part, bytes));
  await given(to, part, bytes);
  const restoreId = await given(to, part, bytes);
  await ask(to.bus, to.questions.abandon, { restoreId });
  await assert.rejects(commit(to, restoreId), { code: 'BACKUP_RESTORE_UNKNOWN' });
  await commit(to, await given(to, part, bytes));
  await from.things.put({ id: 'b', revision: 1 });
  const other = await taken(from);
  await assert.rejects(given(to, other.part, other.bytes), { code: 'BACKUP_PLATFORM_FILLED' });
  await given(to, other.part, other.bytes, true);
  await assert.rejects(given(to, other.part, other.bytes), { code: 'BACKUP_PLATFORM_FILLED' });
});

it('says which restore the documents are of, whatever was given since', async () => {
  const [from, to] = [await owner(), await owner()];
  const done = async () => (await ask(to.bus, to.questions.done, {})).restoreId;
  await from.things.put({ id: 'a', revision: 1 });
  const { part, bytes } = await taken(from);
  const first = await given(to, part, bytes);
  assert.equal(await done(), null);
  await commit(to, first);
  assert.equal(await done(), first);
  await from.things.put({ id: 'b', revision: 1 });
  const other = await taken(from);
  const second = await given(to, other.part, other.bytes, true);
  assert.equal(await done(), first);
  await ask(to.bus, to.questions.abandon, { restoreId: second });
  assert.equal(await done(), first);
  const third = await given(to, other.part, other.bytes, true);
  await commit(to, third);
  assert.equal(await done(), third);
});

it('refuses the same file again where the last owner has it: the restore was whole, and changes came since', async () => {
  const [from, to] = [await owner([], 'certstore'), await owner([], 'certstore')];
  const { part, bytes } = await taken(from);
  await commit(to, await given(to, part, bytes));
  await assert.rejects(given(to, part, bytes), { code: 'BACKUP_PLATFORM_FILLED' });
  await commit(to, await given(to, part, bytes, true));
});

it('brings older documents up to date, and refuses newer ones', async () => {
  const [older, newer] = [await owner(), await owner([splitName])];
  await older.things.put({ id: 'a', revision: 3, name: 'x' });
  const { part, bytes } = await taken(older);
  await commit(newer, await given(newer, part, bytes));
  assert.deepEqual(await newer.things.get('a'), { id: 'a', revision: 3, names: ['x'] });
  const back = await taken(newer);
  await assert.rejects(given(older, back.part, back.bytes, true), { code: 'BACKUP_NEWER' });
});

it('is done once, also where who had no answer asks again while it is done', async () => {
  const second = Promise.withResolvers<void>();
  let checks = 0;
  const from = await owner();
  // When it is whole, for the first commit, for the second.
  const to = await owner([], 'acl', async () => {
    checks += 1;
    if (checks === 3) await second.promise;
  });
  await from.things.put({ id: 'a', revision: 1, name: 'restored' });
  const { part, bytes } = await taken(from);
  const restore = await given(to, part, bytes);
  const [first, again] = [commit(to, restore), commit(to, restore)];
  await first;
  await to.things.put({ id: 'a', revision: 2, name: 'changed since' });
  await to.things.put({ id: 'b', revision: 1, name: 'made since' });
  second.resolve();
  await again;
  assert.deepEqual(
    (await to.things.list()).items.map(({ name }) => name),
    ['changed since', 'made since'],
  );
});

it('refuses an older document of which a step cannot make a newer one', async () => {
  const upper: DocumentStep = {
    compatible: true,
    change: (thing) => ({ ...thing, name: (thing['name'] as string).toUpperCase() }),
  };
  const [older, newer] = [await owner(), await owner([upper])];
  await older.things.put({ id: 'a', revision: 1 });
  const { part, bytes } = await taken(older);
  await assert.rejects(given(newer, part, bytes), { code: 'BACKUP_DAMAGED', message: /a of things is not/ });
});

it('refuses a part that is not whole or not what it says, and changes nothing', async () => {
  const [from, to] = [await owner(), await owner()];
  await from.things.put({ id: 'a', revision: 1 });
  const { part, bytes } = await taken(from);
  const lines = gunzipSync(bytes).toString().split('\n');
  const forged = (text: string): [BackupPart, Buffer] => {
    const packed = gzipSync(text);
    return [{ ...part, bytes: packed.length, sha256: digestOf(packed) }, packed];
  };
  const wrong: [BackupPart, Buffer][] = [
    [part, bytes.subarray(1)],
    [{ ...part, bytes: part.bytes + backupPieceBytes }, bytes],
    forged(`${lines[0]}\n`),
    forged(`${lines[0]}\n${lines[1]}\n${lines[1]}\n`),
    forged(`${lines[0]}\n["others",{"id":"a","revision":1}]\n`),
    forged(`${lines[0]}\n{"id":1}\n`),
    forged(`${lines[0]}\n["things",{"id":"a","revision":1,"name":{"$ne":1}}]\n`),
    forged('{"room":"router","collections":{}}\n'),
    forged('not JSON'),
  ];
  for (const [head, contents] of wrong)
    await assert.rejects(given(to, head, contents), { code: 'BACKUP_DAMAGED' });
  assert.equal(await to.things.count(), 0);
  await assert.rejects(commit(to, newId()), { code: 'BACKUP_RESTORE_UNKNOWN' });
});

it('refuses what the store would, so that no commit fails behind one that was done', async () => {
  const to = await owner();
  const refused = (...documents: unknown[]) => {
    const head = { room: 'acl', collections: { things: { version: 1, documents: documents.length } } };
    const lines = documents.map((document) => JSON.stringify(['things', document]));
    return assert.rejects(given(to, ...packed([JSON.stringify(head), ...lines], documents.length)), {
      code: 'BACKUP_DAMAGED',
    });
  };
  const thing = { id: 'a', revision: 1 };
  let deep: object = {};
  for (let level = 0; level < 64; level += 1) deep = { deep };
  await refused({ ...thing, long: 'x'.repeat(documentBytesMax) });
  await refused({ ...thing, deep });
  await refused({ ...thing, documentVersion: 2 });
  for (const id of ['', 'a\n', 'x'.repeat(201), '\ud800']) await refused({ ...thing, id });
  for (const revision of [2 ** 53 - 1, 2 ** 48, 0, -1, 1.5]) await refused({ ...thing, revision });
  await refused(thing, thing);
  await refused({ ...thing, key: { of: 'x' } }, { id: 'b', revision: 1, key: { of: 'x' } });
  await refused({ ...thing, key: { of: '\ud800' } }, { ...thing, id: 'b', key: { of: '\ufffd' } });
  const apart = [
    { ...thing, key: { of: 'x' } },
    { ...thing, id: 'b', key: { of: 'y' } },
  ];
  for (const id of ['c', 'd']) apart.push({ ...thing, id, key: {} as { of: string } });
  const head = { room: 'acl', collections: { things: { version: 1, documents: 4 } } };
  const lines = [head, ...apart.map((one) => ['things', one])].map((line) => JSON.stringify(line));
  await assert.rejects(given(to, ...packed(lines, 5)), { code: 'BACKUP_DAMAGED', message: /4 documents/ });
  await commit(to, await given(to, ...packed(lines, 4)));
  assert.deepEqual((await to.things.list()).items, apart);
});

it('takes as many documents as a part may have, and no more', async () => {
  const { things } = await owner();
  const collections = [{ collection: things, restore: 'replace', fills: true, schema } as const];
  const many = Array.from({ length: documentsMax + 1 }, () => ({ id: 'a', revision: 1 }));
  await assert.rejects(packPart('acl', collections, new Map([['things', many]])), {
    code: 'BACKUP_TOO_LARGE',
  });
  const head = { room: 'acl', collections: { things: { version: 1, documents: documentsMax + 1 } } };
  const [part, bytes] = packed([JSON.stringify(head)], documentsMax + 1);
  await assert.rejects(unpackPart(part, collections, bytes), {
    code: 'BACKUP_DAMAGED',
    message: /more than 200000/,
  });
  const [more, moreBytes] = packed([JSON.stringify({ room: 'acl', collections: {} }), '0'], 0);
  await assert.rejects(unpackPart(more, collections, moreBytes), {
    code: 'BACKUP_DAMAGED',
    message: /more than its 0/,
  });
});

it('writes what every change writes before any document, so that no change meanwhile outruns a commit', async (t) => {
  const from = await owner();
  await from.things.put({ id: 'a', revision: 1 });
  const { part, bytes } = await taken(from);
  const store = openSqlite(':memory:');
  const bus = new MemoryHub().connect();
  const things = await store.collection('things');
  const feed = await FeedOwner.open({
    feed: policyFeed,
    store,
    bus,
    source: { read: async () => [], list: async () => ({ items: [], nextCursor: null }) },
    onError: (error) => assert.fail(String(error)),
  });
  t.after(() => feed.stop());
  const before: number[] = [];
  const renew = feed.renewEpoch.bind(feed);
  feed.renewEpoch = async (within) => {
    before.push(await within(things).count());
    await renew(within);
  };
  const collections = [{ collection: things, restore: 'replace', fills: true, schema } as const];
  const restores = await Restores.open(store, { room: 'acl', collections, feeds: [feed] });
  const restoreId = newId();
  await restores.begin(restoreId, part, false);
  await restores.keep(restoreId, 0, bytes.toString('base64'));
  await restores.commit(restoreId);
  assert.deepEqual([before, await things.count(), await feed.isCurrent()], [[0], 1, false]);
});

it('forgets what is abandoned, and holds two snapshots at most', async () => {
  const from = await owner();
  await from.things.put({ id: 'a', revision: 1 });
  const held = [];
  for (let n = 0; n < 3; n += 1) held.push(await ask(from.bus, from.questions.begin, {}));
  const [first, , third] = held;
  assert(first !== undefined && third !== undefined);
  await assert.rejects(read(from, first), { code: 'BACKUP_SNAPSHOT_GONE' });
  const bytes = await read(from, third);
  const { handle: _handle, ...part } = third;
  const restoreId = await given(from, part, bytes, true);
  await ask(from.bus, from.questions.abandon, { restoreId });
  await assert.rejects(commit(from, restoreId), { code: 'BACKUP_RESTORE_UNKNOWN' });
});
