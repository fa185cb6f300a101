import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Collection, type Store, type StoredDocument, openSqlite } from '@postern/store';
import { openAuthorities } from '../authority/authority.ts';
import { type Documents, openDocuments, secretCollection } from '../document.ts';
import { envelopeKeyId, openSecret, sealSecret } from './envelope.ts';
import { checkKey, keyCheckPlace } from './key-check.ts';
import { KeyRing, localKeys } from './key-ring.ts';
import { Rotation, type RotationParts } from './rotation.ts';

const secretCount = 20;
const newKey = (): string => randomBytes(32).toString('base64');

describe('a change of the key-encryption key', () => {
  const [oldKey, nextKey] = [newKey(), newKey()];
  let store: Store;
  let documents: Documents;
  let keys: string[];
  let ring: KeyRing;
  let rotations: Rotation[];
  let rotation: Rotation;

  beforeEach(async () => {
    store = openSqlite(':memory:');
    documents = await openDocuments(store);
    keys = [oldKey];
    rotations = [];
    ring = await KeyRing.open(async () => localKeys(keys.join('\n')));
    await checkKey(store, ring);
    await openAuthorities(store, ring);
    for (let index = 0; index < secretCount; index += 1) {
      const id = `secret-${index}`;
      const place = { collection: secretCollection, id, version: 1 };
      const sealed = await sealSecret(ring, place, Buffer.from(`text ${index}`));
      await documents.secrets.insert({ id, revision: 1, version: 1, sealed });
    }
    rotation = make();
  });
  afterEach(async () => {
    for (const one of rotations) await one.stop();
    await store.close();
  });

  function make(parts: Partial<RotationParts> = {}): Rotation {
    const onError = (error: unknown): void => assert.fail(String(error));
    const made = new Rotation({ store, ring, onProgress: () => done.resolve(), onError, ...parts });
    rotations.push(made);
    return made;
  }

  let done: PromiseWithResolvers<void>;
  beforeEach(() => {
    done = Promise.withResolvers<void>();
  });

  async function keyIds(): Promise<Set<string>> {
    const { items } = await documents.secrets.list({ limit: 200 });
    return new Set(items.map(({ sealed }) => envelopeKeyId(sealed)));
  }

  async function demandReadable(by: KeyRing): Promise<void> {
    for (let index = 0; index < secretCount; index += 1) {
      const found = await documents.secrets.get(`secret-${index}`);
      const place = { collection: secretCollection, id: `secret-${index}`, version: 1 };
      assert.equal((await openSecret(by, place, found?.sealed ?? '')).toString(), `text ${index}`);
    }
  }

  it('has nothing to do while there is one key', async () => {
    assert.equal((await rotation.start()).state, 'done');
  });

  it('brings every secret, the CAs and the key check under the newest, and the old key is needed no more', async () => {
    keys = [nextKey, oldKey];
    const begun = await rotation.start();
    // Both CAs and the key check are there too.
    assert.deepEqual([begun.state, begun.total, begun.left], ['running', secretCount + 3, secretCount + 3]);
    assert.equal(begun.keyIds.length, 2);
    await done.promise;
    assert.deepEqual([rotation.progress.state, rotation.progress.left], ['done', 0]);
    assert.deepEqual(await keyIds(), new Set([rotation.progress.keyId]));
    const alone = await KeyRing.open(async () => localKeys(nextKey));
    await demandReadable(alone);
    await checkKey(store, alone);
    await openAuthorities(store, alone);
  });

  it('is done when the last of many pages is, not the first', async () => {
    for (let index = secretCount; index < 220; index += 1) {
      const place = { collection: secretCollection, id: `secret-${index}`, version: 1 };
      const sealed = await sealSecret(ring, place, Buffer.from('one of many'));
      await documents.secrets.insert({ id: place.id, revision: 1, version: 1, sealed });
    }
    keys = [nextKey, oldKey];
    assert.equal((await rotation.start()).total, 223);
    await done.promise;
    assert.equal(rotation.progress.state, 'done');
    for (let index = 0; index < 220; index += 1)
      assert.equal(
        envelopeKeyId((await documents.secrets.get(`secret-${index}`))?.sealed ?? ''),
        rotation.progress.keyId,
      );
  });

  it('that is stopped in the middle loses nothing, and goes on with the next start', async () => {
    keys = [nextKey, oldKey];
    let seen = 0;
    const interrupted: Rotation = make({
      onDocument: async () => {
        seen += 1;
        if (seen === 7) void interrupted.stop();
      },
    });
    await interrupted.start();
    await done.promise;
    const { state, left } = interrupted.progress;
    assert.deepEqual([state, left > 0], ['running', true], 'what was not counted is not called done');
    assert.equal((await keyIds()).size, 2);
    await demandReadable(ring);
    done = Promise.withResolvers<void>();
    rotation = make();
    await rotation.resume();
    await done.promise;
    assert.equal((await keyIds()).size, 1);
    await demandReadable(ring);
  });

  it('that is stopped is over when the secret at hand is sealed, begins no more, and calls nothing done that is not', async () => {
    keys = [nextKey, oldKey];
    const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const happened: string[] = [];
    rotation = make({
      onDocument: async (id) => {
        happened.push(id);
        reached.resolve();
        await go.promise;
      },
      onProgress: () => happened.push('over'),
    });
    await rotation.start();
    await reached.promise;
    const stopped = rotation.stop().then(() => happened.push('stopped'));
    go.resolve();
    await stopped;
    assert.deepEqual(happened.slice(1), ['over', 'stopped']);
    assert.equal((await rotation.resume()).state, 'running');
    assert.equal((await rotation.current()).state, 'running');
    await rotation.stop();
    assert.equal(happened.length, 3);
    const stoppedAtOnce = make();
    await stoppedAtOnce.stop();
    assert.equal((await stoppedAtOnce.current()).state, 'running');
  });

  it('takes each secret once, however often it is asked for, and nothing where all is done', async () => {
    keys = [nextKey, oldKey];
    const taken: string[] = [];
    let rounds = 0;
    rotation = make({
      onDocument: async (id) => void taken.push(id),
      onProgress: () => {
        rounds += 1;
        done.resolve();
      },
    });
    await Promise.all([rotation.start(), rotation.start(), rotation.resume()]);
    await done.promise;
    assert.equal(taken.length, new Set(taken).size);
    assert.equal((await rotation.start()).state, 'done');
    await rotation.stop();
    assert.deepEqual([taken.length, rounds], [secretCount + 3, 1]);
  });

  it('does not undo a change that was made meanwhile', async () => {
    keys = [nextKey, oldKey];
    const id = 'secret-3';
    const place = { collection: secretCollection, id, version: 2 };
    const onDocument = async (at: string): Promise<void> => {
      if (at === 'secret-2') await documents.secrets.delete(at);
      const found = await documents.secrets.get(id);
      if (at !== id || found === null || found.version === 2) return;
      await documents.secrets.replace({
        ...found,
        version: 2,
        sealed: await sealSecret(ring, place, Buffer.from('new')),
      });
    };
    rotation = make({ onDocument });
    await rotation.start();
    await done.promise;
    const found = await documents.secrets.get(id);
    assert.equal((await openSecret(ring, place, found?.sealed ?? '')).toString(), 'new');
    assert.equal(rotation.progress.state, 'done');
  });

  it('waits, and says so, while a secret is under a key that is not here', async () => {
    keys = [nextKey];
    const progress = await new Rotation({ store, ring, onProgress: () => {}, onError: () => {} }).start();
    assert.equal(progress.state, 'waiting');
    assert.match(progress.fault ?? '', /23 secrets are under a key that this certstore does not have/);
  });

  it('that cannot go on, since its keys are out of reach, says why and is tried again', async (t) => {
    let reads = 0;
    const away = new Error('the transit server is away');
    ring = await KeyRing.open(async () => {
      reads += 1;
      // At the start it was there.
      if (reads === 3) throw away;
      return localKeys(keys.join('\n'));
    });
    keys = [nextKey, oldKey];
    const told: unknown[] = [];
    rotation = make({ onError: (error) => told.push(error) });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await rotation.start();
    await done.promise;
    const { state, left, fault } = rotation.progress;
    assert.deepEqual([state, left, fault], ['waiting', secretCount + 3, away.message]);
    assert.deepEqual(told, [away]);
    done = Promise.withResolvers<void>();
    t.mock.timers.tick(5_000);
    await done.promise;
    assert.equal(rotation.progress.state, 'done');
    await demandReadable(await KeyRing.open(async () => localKeys(nextKey)));
  });

  it('goes on past a damaged secret, and names it and what to do as long as it is there', async () => {
    const cut = await documents.secrets.get('secret-3');
    await documents.secrets.replace({ ...cut!, sealed: cut!.sealed.slice(0, 12) });
    const moved = await documents.secrets.get('secret-5');
    await documents.secrets.replace({ ...moved!, sealed: (await documents.secrets.get('secret-6'))!.sealed });
    keys = [nextKey, oldKey];
    const told: string[] = [];
    rotation = make({ onError: (error) => told.push(String(error)) });
    await rotation.start();
    await done.promise;
    const { state, left, fault } = await rotation.current();
    assert.deepEqual([state, left], ['waiting', 2]);
    assert.match(fault ?? '', /secret-5 in certstore_secrets.*upload the certificate of that ID/);
    assert.deepEqual(
      told.map((text) => /secret-\d/.exec(text)?.[0]),
      ['secret-3', 'secret-5'],
    );
    await documents.secrets.delete('secret-3');
    await documents.secrets.delete('secret-5');
    assert.equal((await rotation.current()).state, 'done');
  });

  it('goes on when it is asked for in the very turn in which a round ends', async () => {
    keys = [nextKey];
    // The last look of the first round, and the first of who asks for another, are let go at once.
    const held = { looks: 0, go: Promise.withResolvers<void>() };
    const list = (collection: Collection<StoredDocument>): typeof collection.list => {
      return async (options) => {
        const page = await collection.list(options);
        held.looks += 1;
        if (held.looks === 3) void rotation.resume();
        if (held.looks === 4) held.go.resolve();
        if (held.looks === 3 || held.looks === 4) await held.go.promise;
        return page;
      };
    };
    const watched: Pick<Store, 'collection'> = {
      collection: async (name) => {
        const collection = await store.collection(name);
        return (
          name === keyCheckPlace.collection ? { ...collection, list: list(collection) } : collection
        ) as never;
      },
    };
    const again = Promise.withResolvers<void>();
    let rounds = 0;
    const onProgress = (): void => {
      rounds += 1;
      if (rounds === 2) again.resolve();
    };
    rotation = make({ store: watched, onProgress, onError: () => {} });
    await rotation.start();
    await again.promise;
  });

  it('by another replica is followed: a key that an envelope names is looked for in the settings', async () => {
    const other = await KeyRing.open(async () => localKeys([oldKey, nextKey].join('\n')));
    keys = [nextKey, oldKey];
    await rotation.start();
    await done.promise;
    await demandReadable(other);
    const late = await KeyRing.open(async () => localKeys(keys.join(',')));
    keys = [oldKey];
    await late.reload();
    keys = [nextKey, oldKey];
    await demandReadable(late);
  });

  it('by another replica is followed by what is sealed here: it goes under the newest of the settings', async () => {
    const place = { collection: secretCollection, id: 'late', version: 1 };
    const seal = async (): Promise<string> =>
      envelopeKeyId(await sealSecret(ring, place, Buffer.from('text')));
    const [next, old] = localKeys([nextKey, oldKey].join(','));
    assert.equal(await seal(), old?.keyId);
    keys = [nextKey, oldKey];
    assert.equal(await seal(), next?.keyId);
    keys = ['no key'];
    assert.equal(await seal(), next?.keyId);
  });
});
