/** Versions of documents and their migration: what every store must do (see store.case.test.ts). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MigrateOptions, migrate } from './migrate.ts';
import type { StorePlace } from './store.case.test.ts';
import type { Collection, DocumentStep, Store, StoredDocument } from './store.ts';

interface Thing extends StoredDocument {
  [key: string]: unknown;
}

const splitName: DocumentStep = {
  compatible: false,
  change: ({ name, ...rest }) => (name === undefined ? rest : { ...rest, names: [name] }),
};
const addColour: DocumentStep = {
  compatible: true,
  change: (thing) => ({ colour: 'none', ...thing }),
};
const second = [splitName];
const third = [splitName, addColour];
const room = 'box';
const documents = 120;

/** Declares the suite. */
export function testMigration(name: string, make: () => Promise<StorePlace>): void {
  async function opened(work: (store: Store) => Promise<void>): Promise<void> {
    const place = await make();
    const store = await place.open();
    try {
      await fill(store, await openThings(store, []));
      await work(store);
    } finally {
      await store.close();
      await place.close();
    }
  }

  describe(`${name}: versions of documents`, () => {
    it('are read in the version of the program, and stored in it when they are written', () =>
      opened(async (store) => {
        const things = await openThings(store, third);
        const thing = { id: idOf(0), revision: 1, names: ['thing 0'], colour: 'none' };
        assert.deepEqual(await things.get(idOf(0)), thing);
        assert.deepEqual((await things.list({ limit: 1 })).items, [thing]);
        assert.deepEqual(await things.replace({ ...thing, colour: 'red' }), {
          ...thing,
          colour: 'red',
          revision: 2,
        });
        const plain = await openThings(store, []);
        await assert.rejects(plain.get(idOf(0)), {
          code: 'STORE_DOCUMENT_NEWER',
          message: /thing-000.*newer/,
        });
        await assert.rejects(plain.list(), { code: 'STORE_DOCUMENT_NEWER' });
        assert.equal((await plain.get(idOf(1)))?.['name'], 'thing 1');
      }));

    it('of a compatible step are read by programs of the version before', () =>
      opened(async (store) => {
        const newer = await openThings(store, third);
        await newer.put({ id: 'new', revision: 7, names: ['a'], colour: 'red' });
        const older = await openThings(store, second);
        assert.deepEqual(await older.get('new'), { id: 'new', revision: 7, names: ['a'], colour: 'red' });
      }));

    it('are brought up to date once, revisions as they were, and older programs are refused from then on', () =>
      opened(async (store) => {
        const told: number[] = [];
        const options = await optionsOf(store, second);
        const all = { ...options, onProgress: (one: { documents: number }) => void told.push(one.documents) };
        assert.equal(await migrate(store, all), documents);
        assert.deepEqual(told, [50, 100, documents]);
        assert.equal(await migrate(store, options), 0);
        const { items } = await (await openThings(store, second)).list({ limit: 1000 });
        assert(items.every(({ revision, names }) => revision === 1 && Array.isArray(names)));
        await assert.rejects(migrate(store, await optionsOf(store, [])), {
          code: 'STORE_DOCUMENT_NEWER',
          message: /the collection things is of version 2, and this program knows 1/,
        });
      }));

    it('are brought on by the next when one was stopped in the middle, and its lease is over', () =>
      opened(async (store) => {
        const options = { ...(await optionsOf(store, second)), leaseMs: 300 };
        const killed = new Error('killed');
        const onProgress = (): void => {
          throw killed;
        };
        await assert.rejects(migrate(store, { ...options, onProgress }), killed);
        const left = await (await openThings(store, [])).count({ documentVersion: null });
        assert(left > 0 && left < documents);
        await assert.rejects(migrate(store, await optionsOf(store, [])), { code: 'STORE_DOCUMENT_NEWER' });
        assert.equal(await migrate(store, options), left);
      }));

    it('are brought on by the next also where the clock of the one that was killed was ahead', () =>
      opened(async (store) => {
        const options = { ...(await optionsOf(store, second)), leaseMs: 300 };
        const records = await store.collection<StoredDocument & { holder: string; until: number }>(
          `${options.room}_migration`,
        );
        const until = Date.now() + 3_600_000;
        await records.insert({ id: 'lease', revision: 1, holder: 'another', until });
        assert.equal(await migrate(store, options), documents);
      }));

    it('are left after a batch when the program is asked to stop', () =>
      opened(async (store) => {
        const { signal, abort } = abortable();
        const options = { ...(await optionsOf(store, second)), signal, onProgress: abort };
        await assert.rejects(migrate(store, options), { name: 'AbortError' });
        assert.equal(await (await openThings(store, [])).count({ documentVersion: null }), documents - 50);
      }));

    it('are brought on by one process at a time', () =>
      opened(async (store) => {
        const options = await optionsOf(store, third);
        const changed = await Promise.all([migrate(store, options), migrate(store, options)]);
        assert.deepEqual(
          changed.toSorted((a, b) => a - b),
          [0, documents],
        );
      }));

    it('that a program of the version before stores beside a newer one are brought on at the next start', () =>
      opened(async (store) => {
        const options = await optionsOf(store, second);
        await migrate(store, options);
        await (await openThings(store, [])).insert({ id: 'late', revision: 1, name: 'late' });
        assert.equal(await migrate(store, options), 1);
        assert.deepEqual((await (await openThings(store, second)).get('late'))?.['names'], ['late']);
      }));
  });
}

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

function openThings(store: Store, steps: readonly DocumentStep[]): Promise<Collection<Thing>> {
  return store.collection<Thing>('things', { steps });
}

async function optionsOf(store: Store, steps: readonly DocumentStep[]): Promise<MigrateOptions> {
  return { room, collections: [await openThings(store, steps)] };
}

function fill(store: Store, things: Collection<Thing>): Promise<void> {
  return store.transaction(async (within) => {
    for (let n = 0; n < documents; n += 1)
      await within(things).put({ id: idOf(n), revision: 1, name: `thing ${n}` });
  });
}

function idOf(n: number): string {
  return `thing-${String(n).padStart(3, '0')}`;
}
