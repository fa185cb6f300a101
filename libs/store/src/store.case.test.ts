/**
 * What every store must do. Run by `sqlite-store.test.ts` on a file and by `test/e2e` against a MongoDB-wire
 * server: an owner must not be able to tell which of them it has.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { documentBytesMax, documentDepthMax, idLengthMax, pageItemsMax } from './document.ts';
import { every } from './every.ts';
import { newId } from './new-id.ts';
import { StoreError } from './store-error.ts';
import type { Collection, Store, StoredDocument } from './store.ts';
import { timeOfAll } from './clock.ts';

/** A place for documents; each `open` gives a store on the same ones, one at a time. */
export interface StorePlace {
  open(): Promise<Store>;
  close(): Promise<void>;
}

interface Thing extends StoredDocument {
  [key: string]: unknown;
}

const made = { revision: 0 };

/** Declares the suite. */
export function testStore(name: string, make: () => Promise<StorePlace>): void {
  async function opened(
    work: (store: Store, things: Collection<Thing>, place: StorePlace) => Promise<void>,
  ): Promise<void> {
    const place = await make();
    const store = await place.open();
    const unique = [['name'], ['front.protocol', 'front.port', 'front.host']];
    const things = await store.collection<Thing>('things', { unique, indexes: [['gatewayId']] });
    try {
      await work(store, things, place);
    } finally {
      await store.close();
      await place.close();
    }
  }

  describe(`${name}: documents`, () => {
    it('reads back what was inserted, with revision 1', () =>
      opened(async (_store, things) => {
        const thing = {
          id: 'a',
          ...made,
          list: [1, { b: null }],
          text: 'é😀\u0000',
          big: 2 ** 53,
          part: 0.1,
          yes: true,
        };
        assert.deepEqual(await things.insert(thing), { ...thing, revision: 1 });
        assert.deepEqual(await things.get('a'), { ...thing, revision: 1 });
        assert.equal(await things.get('b'), null);
      }));

    it('returns what will be read, which is what JSON keeps of it', () =>
      opened(async (_store, things) => {
        const thing = {
          id: 'a',
          ...made,
          none: undefined,
          at: new Date(0),
          broken: 'x\ud800',
          not: Number.NaN,
        };
        const kept = { id: 'a', revision: 1, at: '1970-01-01T00:00:00.000Z', broken: 'x\ufffd', not: null };
        assert.deepEqual(await things.insert(thing), kept);
        assert.deepEqual(await things.get('a'), kept);
      }));

    it('keeps keys that mean something to a database, at every level', () =>
      opened(async (_store, things) => {
        const hostile = JSON.parse(
          '{"$set": 1, "a.b": 2, "_id": 3, "%24": 4, "__proto__": {"$gt": "", "x.y": [{"$ref": "a", "$id": 1}], "__proto__": 1}, "n\\u0000": 5, "": 6}',
        ) as object;
        const thing = { ...made, ...hostile, id: 'a' } as Thing;
        Object.defineProperty(thing, '__proto__', { value: { $where: '1' }, enumerable: true });
        const stored = await things.insert(thing);
        assert.deepEqual(await things.get('a'), stored);
        const replaced = await things.replace(stored);
        assert.deepEqual(await things.get('a'), replaced);
        assert.deepEqual(Object.keys(replaced).toSorted(), Object.keys(thing).toSorted());
        assert.equal(Object.getPrototypeOf(replaced), Object.prototype);
      }));

    it('keeps the largest document and refuses a larger one with STORE_TOO_LARGE', () =>
      opened(async (_store, things) => {
        const room = documentBytesMax - JSON.stringify({ id: 'a', revision: 1, text: '' }).length;
        await things.insert({ id: 'a', ...made, text: 'x'.repeat(room) });
        assert.equal(String((await things.get('a'))?.['text']).length, room);
        const larger = { id: 'b', ...made, text: 'x'.repeat(room + 1) };
        await assert.rejects(things.insert(larger), { code: 'STORE_TOO_LARGE' });
        await assert.rejects(things.replace({ ...larger, id: 'a', revision: 1 }), {
          code: 'STORE_TOO_LARGE',
        });
      }));

    it('refuses IDs and depths that no database keeps, with STORE_DOCUMENT_INVALID', () =>
      opened(async (_store, things) => {
        for (const id of ['', 'x'.repeat(idLengthMax + 1), 'a\u0000b', { $gt: '' } as unknown as string]) {
          await assert.rejects(things.insert({ id, ...made }), { code: 'STORE_DOCUMENT_INVALID' });
        }
        await things.insert({ id: 'deepest', ...made, nested: nested(documentDepthMax - 1) });
        const deeper = { id: 'deeper', ...made, nested: nested(documentDepthMax) };
        await assert.rejects(things.insert(deeper), { code: 'STORE_DOCUMENT_INVALID' });
      }));

    it('keeps them over a restart', () =>
      opened(async (store, things, place) => {
        await things.insert({ id: 'a', ...made, name: 'kept' });
        await store.close();
        const again = await place.open();
        const same = await again.collection<Thing>('things', { unique: [['name']] });
        assert.deepEqual(await same.get('a'), { id: 'a', revision: 1, name: 'kept' });
        await assert.rejects(same.insert({ id: 'b', ...made, name: 'kept' }), { code: 'STORE_DUPLICATE' });
        await again.close();
      }));
  });

  describe(`${name}: revisions`, () => {
    it('replaces the revision that was read, and refuses a stale one with STORE_STALE', () =>
      opened(async (_store, things) => {
        const first = await things.insert({ id: 'a', ...made, step: 1, old: true });
        const second = await things.replace({ id: 'a', revision: first.revision, step: 2 });
        assert.deepEqual(second, { id: 'a', revision: 2, step: 2 });
        await assert.rejects(things.replace({ ...first, step: 3 }), { code: 'STORE_STALE' });
        assert.deepEqual(await things.get('a'), second);
      }));

    it('rejects a replace of what is not there with STORE_NOT_FOUND', () =>
      opened(async (_store, things) => {
        await assert.rejects(things.replace({ id: 'a', revision: 1 }), { code: 'STORE_NOT_FOUND' });
      }));

    it('deletes once; with a revision only that one', () =>
      opened(async (_store, things) => {
        const first = await things.insert({ id: 'a', ...made });
        await things.replace(first);
        await assert.rejects(things.delete('a', 1), { code: 'STORE_STALE' });
        assert.equal(await things.delete('a', 2), true);
        assert.equal(await things.delete('a', 2), false);
        assert.equal(await things.delete('a'), false);
      }));

    it('lets one of many who replace the same revision through', () =>
      opened(async (_store, things) => {
        const first = await things.insert({ id: 'a', ...made });
        const outcomes = await Promise.allSettled(
          Array.from({ length: 10 }, (_value, by) => things.replace({ ...first, by })),
        );
        const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
        assert.equal(refused.length, 9);
        for (const { reason } of refused) assert.equal((reason as StoreError).code, 'STORE_STALE');
      }));
  });

  describe(`${name}: unique keys`, () => {
    it('refuses a taken ID and a taken key with STORE_DUPLICATE, which names the fields', () =>
      opened(async (_store, things) => {
        const front = { protocol: 'tcp', port: 15_000, host: null };
        await things.insert({ id: 'a', ...made, name: 'one', front });
        await assert.rejects(things.insert({ id: 'a', ...made }), duplicate(['id']));
        await assert.rejects(things.insert({ id: 'b', ...made, name: 'one' }), duplicate(['name']));
        const both = ['front.protocol', 'front.port', 'front.host'];
        await assert.rejects(things.insert({ id: 'b', ...made, name: 'two', front }), duplicate(both));
        const other = await things.insert({ id: 'b', ...made, name: 'two', front: { ...front, host: 'x' } });
        await assert.rejects(things.replace({ ...other, front }), duplicate(both));
        assert.equal((await things.get('b'))?.revision, 1);
      }));

    it('takes an absent field as null when another of the key is there', () =>
      opened(async (_store, things) => {
        await things.insert({ id: 'a', ...made, front: { protocol: 'tcp', port: 1 } });
        const same = { id: 'b', ...made, front: { protocol: 'tcp', port: 1, host: null } };
        await assert.rejects(things.insert(same), { code: 'STORE_DUPLICATE' });
      }));

    it('does not hold documents to it that have none of the fields', () =>
      opened(async (_store, things) => {
        await things.insert({ id: 'a', ...made });
        await things.insert({ id: 'b', ...made, front: {} });
        await things.insert({ id: 'c', ...made, front: null });
        assert.equal(await things.count(), 3);
      }));

    it('tells text from numbers, and large from small letters', () =>
      opened(async (_store, things) => {
        for (const [index, value] of ['1', 1, 'a', 'A', 'á', 'a\u0301', '', true].entries()) {
          await things.insert({ id: `n${index}`, ...made, name: value });
        }
        assert.equal(await things.count(), 8);
      }));

    it('is free again after a delete or a change', () =>
      opened(async (_store, things) => {
        const first = await things.insert({ id: 'a', ...made, name: 'one' });
        await things.replace({ ...first, name: 'two' });
        const second = await things.insert({ id: 'b', ...made, name: 'one' });
        await things.delete(second.id);
        await things.insert({ id: 'c', ...made, name: 'one' });
      }));

    it('lets one of many who insert the same key at once through', () =>
      opened(async (_store, things) => {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 10 }, () => things.insert({ id: newId(), ...made, name: 'one' })),
        );
        assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
      }));
  });

  describe(`${name}: finding`, () => {
    it('filters by top-level and dotted fields, all of them', () =>
      opened(async (_store, things) => {
        await things.insert({ id: 'a', ...made, gatewayId: 'g', front: { port: 1, host: 'x' }, on: true });
        await things.insert({ id: 'b', ...made, gatewayId: 'g', front: { port: 2, host: 'x' }, on: false });
        await things.insert({ id: 'c', ...made, gatewayId: 'h', front: { port: 1, host: null } });
        const ids = async (filter: Record<string, string | number | boolean | null>) =>
          (await things.list({ filter })).items.map((thing) => thing.id).join('');
        assert.equal(await ids({ gatewayId: 'g' }), 'ab');
        assert.equal(await ids({ gatewayId: 'g', 'front.port': 2 }), 'b');
        assert.equal(await ids({ 'front.port': '1' }), '');
        assert.equal(await ids({ on: false }), 'b');
        assert.equal(await ids({ 'front.host': null }), 'c');
        assert.equal(await ids({ on: null }), 'c');
        assert.equal(await ids({ id: 'b' }), 'b');
        assert.equal(await ids({ revision: 1, gatewayId: 'h' }), 'c');
        assert.equal((await things.find({ 'front.host': 'x' }))?.id, 'a');
        assert.equal(await things.find({ gatewayId: 'i' }), null);
        assert.deepEqual([await things.count({ gatewayId: 'g' }), await things.count()], [2, 3]);
      }));

    it('takes what looks like an operator or like SQL as a value', () =>
      opened(async (_store, things) => {
        await things.insert({ id: 'a', ...made, name: 'x' });
        assert.equal(await things.find({ name: "' OR 1=1 --" }), null);
        assert.equal(await things.find({ name: '$ne' }), null);
        await assert.rejects(things.find({ name: { $ne: '' } as unknown as string }), assert.AssertionError);
        await assert.rejects(things.find({ "name' --": 'x' }), assert.AssertionError);
        await assert.rejects(things.find({ $where: '1' }), assert.AssertionError);
      }));

    it('lists pages by ID, stable when others insert and delete between them', () =>
      opened(async (_store, things) => {
        const ids = Array.from({ length: 7 }, () => newId('t'));
        for (const id of ids) await things.insert({ id, ...made });
        const first = await things.list({ limit: 3 });
        assert.deepEqual(
          first.items.map((thing) => thing.id),
          ids.slice(0, 3),
        );
        await things.insert({ id: 't0', ...made });
        await things.delete(ids[1] ?? '');
        await things.delete(ids[2] ?? '');
        const late = newId('t');
        await things.insert({ id: late, ...made });
        const second = await things.list({ limit: 3, cursor: first.nextCursor });
        assert.deepEqual(
          second.items.map((thing) => thing.id),
          ids.slice(3, 6),
        );
        const third = await things.list({ limit: 3, cursor: second.nextCursor });
        assert.deepEqual([third.items.map((thing) => thing.id), third.nextCursor], [[ids[6], late], null]);
      }));

    it('goes through all that match page by page, while what is behind is deleted', () =>
      opened(async (_store, things) => {
        for (const id of ['a', 'b', 'c', 'd', 'e']) await things.insert({ id, revision: 1, gatewayId: 'g' });
        await things.insert({ id: 'bb', revision: 1, gatewayId: 'h' });
        const met: string[] = [];
        for await (const { id } of every(things, { filter: { gatewayId: 'g' }, limit: 2, cursor: 'a' })) {
          met.push(id);
          await things.delete(id);
        }
        assert.deepEqual([met, await things.count()], [['b', 'c', 'd', 'e'], 2]);
      }));

    it('sorts IDs by their bytes', () =>
      opened(async (_store, things) => {
        for (const id of ['b', 'B', 'é', 'a', '10', '9', 'a b']) await things.insert({ id, ...made });
        const { items } = await things.list();
        assert.deepEqual(
          items.map((thing) => thing.id),
          ['10', '9', 'B', 'a', 'a b', 'b', 'é'],
        );
      }));

    it('never gives more than pageItemsMax', () =>
      opened(async (store, things) => {
        for (let batch = 0; batch <= pageItemsMax / 100; batch += 1) {
          await store.transaction(async (within) => {
            for (let index = 0; index < 100; index += 1)
              await within(things).insert({ id: newId(), ...made });
          });
        }
        const { items, nextCursor } = await things.list({ limit: 1_000_000 });
        assert.deepEqual([items.length, nextCursor], [pageItemsMax, items.at(-1)?.id]);
      }));
  });

  describe(`${name}: transactions`, () => {
    it('writes all or nothing', () =>
      opened(async (store, things) => {
        const others = await store.collection<Thing>('others');
        const both = (fail: boolean) =>
          store.transaction(async (within) => {
            await within(things).insert({ id: 'a', ...made });
            await within(others).insert({ id: 'b', ...made });
            assert.deepEqual(await within(things).get('a'), { id: 'a', revision: 1 });
            if (fail) throw new Error('changed my mind');
            return 'done';
          });
        await assert.rejects(both(true), /changed my mind/);
        assert.deepEqual([await things.count(), await others.count()], [0, 0]);
        assert.equal(await both(false), 'done');
        assert.deepEqual([await things.count(), await others.count()], [1, 1]);
      }));

    it('loses no increment of many at once', () =>
      opened(async (store, things) => {
        await things.insert({ id: 'counter', ...made, value: 0 });
        const increment = () =>
          store.transaction(async (within) => {
            const counter = await within(things).get('counter');
            assert(counter !== null);
            const value = Number(counter['value']) + 1;
            await within(things).replace({ ...counter, value });
            await within(things).insert({ id: `log${value}`, ...made });
          });
        await Promise.all(Array.from({ length: 12 }, () => persistently(increment)));
        assert.equal((await things.get('counter'))?.['value'], 12);
        assert.equal(await things.count(), 13);
      }));

    it('shows nothing of itself before its end', () =>
      opened(async (store, things) => {
        const written = Promise.withResolvers<void>();
        const go = Promise.withResolvers<void>();
        const running = store.transaction(async (within) => {
          await within(things).insert({ id: 'a', ...made });
          written.resolve();
          await go.promise;
        });
        await written.promise;
        const seen = things.get('a');
        setImmediate(go.resolve);
        // A store that reads without waiting must not see it; one that takes turns may see it when it is over.
        const early = await Promise.race([
          seen.then((thing) => thing !== null),
          go.promise.then(() => false),
        ]);
        assert.equal(early, false);
        await Promise.all([running, seen]);
        assert.deepEqual(await things.get('a'), { id: 'a', revision: 1 });
      }));

    it('cannot be saved by catching a duplicate, after which all fails by it, and can after a stale write', () =>
      opened(async (store, things) => {
        await things.insert({ id: 'a', ...made });
        const saved = store.transaction(async (within) => {
          await within(things).insert({ id: 'b', ...made });
          await assert.rejects(within(things).insert({ id: 'a', ...made }));
          await assert.rejects(within(things).get('a'), duplicate(['id']));
        });
        await assert.rejects(saved, duplicate(['id']));
        await store.transaction(async (within) => {
          await within(things).insert({ id: 'c', ...made });
          await assert.rejects(within(things).replace({ id: 'a', revision: 7 }), { code: 'STORE_STALE' });
          await assert.rejects(within(things).replace({ id: 'x', revision: 1 }), { code: 'STORE_NOT_FOUND' });
        });
        assert.deepEqual(
          (await things.list()).items.map((thing) => thing.id),
          ['a', 'c'],
        );
      }));

    it('gives the error that its work made of a duplicate', () =>
      opened(async (store, things) => {
        await things.insert({ id: 'a', ...made });
        const taken = store.transaction(async (within) => {
          await within(things)
            .insert({ id: 'a', ...made })
            .catch((cause: unknown) => {
              throw new Error('taken', { cause });
            });
        });
        await assert.rejects(taken, /^Error: taken$/);
      }));

    it('runs operations that its work awaits together one after the other', () =>
      opened(async (store, things) => {
        await store.transaction(async (within) => {
          await Promise.all(['a', 'b', 'c'].map((id) => within(things).insert({ id, ...made })));
        });
        assert.equal(await things.count(), 3);
      }));

    it('refuses collections that are not taken within it, and transactions inside it', () =>
      opened(async (store, things) => {
        await store.transaction(async () => {
          await assert.rejects(things.count(), assert.AssertionError);
          await assert.rejects(async () => store.transaction(async () => 1), assert.AssertionError);
        });
        assert.equal(await things.count(), 0);
      }));

    it('ends with STORE_TIMEOUT when its work takes longer than it may, undone and in nobody’s way', () =>
      opened(async (store, things) => {
        const slow = store.transaction(
          async (within) => {
            await within(things).insert({ id: 'a', ...made });
            await new Promise<never>(() => {});
          },
          { withinMs: 200 },
        );
        await assert.rejects(slow, { code: 'STORE_TIMEOUT' });
        await things.insert({ id: 'a', ...made });
        assert.equal(await things.count(), 1);
      }));

    it('refuses operations after its end', () =>
      opened(async (store, things) => {
        const leaked = await store.transaction(async (within) => ({ things: within(things) }));
        await assert.rejects(leaked.things.insert({ id: 'a', ...made }), assert.AssertionError);
        assert.equal(await things.count(), 0);
      }));
  });

  describe(`${name}: put`, () => {
    it('stores a document as it is, whether there is one or not, and holds it to unique keys', () =>
      opened(async (store, things) => {
        await things.put({ id: 'a', revision: 7, name: 'one' });
        assert.deepEqual(await things.get('a'), { id: 'a', revision: 7, name: 'one' });
        await store.transaction(async (within) => {
          await within(things).delete('a');
          await within(things).put({ id: 'a', revision: 3, name: 'two' });
          await within(things).put({ id: 'b', revision: 9, name: 'one' });
        });
        assert.deepEqual(await things.get('a'), { id: 'a', revision: 3, name: 'two' });
        assert.deepEqual(await things.replace({ id: 'b', revision: 9 }), { id: 'b', revision: 10 });
        await assert.rejects(things.put({ id: 'c', revision: 1, name: 'two' }), duplicate(['name']));
      }));
  });

  describe(`${name}: time`, () => {
    it('is the clock of the database where that has one', () =>
      opened(async (store) => {
        const before = Date.now();
        const time = await store.time();
        // A server that runs beside its test, to the second.
        if (time !== null) assert.ok(time > before - 1_000 && time < Date.now() + 1_000, String(time));
      }));

    it('by which something is over is the earlier of the database’s and one’s own', () =>
      opened(async (store) => {
        const own = Date.now();
        const ahead = await timeOfAll(store, own + 86_400_000);
        assert.equal(ahead < own + 60_000, (await store.time()) !== null);
        assert.equal(await timeOfAll(store, own - 86_400_000), own - 86_400_000);
      }));
  });

  describe(`${name}: close`, () => {
    it('answers a ping until it is closed, which can be done twice, at once too; then STORE_CLOSED', () =>
      opened(async (store, things) => {
        await store.ping();
        await Promise.all([store.close(), store.close()]);
        await store.close();
        await assert.rejects(things.get('a'), { code: 'STORE_CLOSED' });
        await assert.rejects(store.ping(), { code: 'STORE_CLOSED' });
        await assert.rejects(
          store.transaction(async () => 1),
          { code: 'STORE_CLOSED' },
        );
      }));
  });
}

function duplicate(key: string[]): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof StoreError, String(error));
    assert.deepEqual([error.code, error.key], ['STORE_DUPLICATE', key]);
    return true;
  };
}

/** Two who read the same revision before either wrote: the store says so, and the owner tries again. */
async function persistently(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isConflict =
        error instanceof StoreError && ['STORE_STALE', 'STORE_DUPLICATE'].includes(error.code);
      if (!isConflict) throw error;
    }
  }
}

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}
