/** One collection of MongoDB, by itself or within a transaction's session. */
import type {
  ClientSession,
  Collection as DriverCollection,
  Db,
  Document,
  Filter as DriverFilter,
} from 'mongodb';
import { checkDocument, checkField, checkFilter, pageLimit } from './document.ts';
import { notFound, stale } from './document-error.ts';
import { decodeDocument, encodeDocument, mongoField, type MongoDocument } from './mongo-document.ts';
import { mongoError } from './mongo-error.ts';
import type { CollectionOptions, Filter, StoredDocument } from './store.ts';
import type { Stored } from './versioned.ts';

const NamespaceExists = 48;

/** Runs an operation: checks that it may run here and translates its errors. */
export type Run = <R>(operation: () => Promise<R>) => Promise<R>;

/** Makes what is missing of the collection and its indexes. Several processes may do so at once. */
export async function prepareCollection(
  database: Db,
  name: string,
  options: CollectionOptions,
): Promise<void> {
  await database.createCollection(name).catch((error: { code?: number }) => {
    if (error.code !== NamespaceExists) throw error;
  });
  const collection = database.collection(name);
  for (const fields of options.unique ?? []) {
    // Documents that have none of the fields are not held to it; among the others an absent field is a null.
    const some = fields.map((field) => ({ [mongoField(field)]: { $exists: true } }));
    const partialFilterExpression = some.length === 1 ? some[0] : { $or: some };
    await collection.createIndex(specification(fields), {
      unique: true,
      partialFilterExpression,
      name: `unique ${fields.join('+')}`,
    } as object);
  }
  // A partial index does not serve lookups, since a filter does not promise that its fields exist.
  for (const fields of [...(options.indexes ?? []), ...(options.unique ?? [])]) {
    await collection.createIndex(specification(fields), { name: `index ${fields.join('+')}` });
  }
}

/** The collection's operations; `session` makes them part of a transaction. */
export function mongoCollection<T extends StoredDocument>(
  driver: DriverCollection<MongoDocument>,
  run: Run,
  session?: ClientSession,
): Stored<T> {
  const name = driver.collectionName;
  const inSession = session === undefined ? {} : { session };
  const operate: Run = (operation) =>
    run(async () => {
      try {
        return await operation();
      } catch (error) {
        throw mongoError(error, name);
      }
    });
  const one = async (filter: DriverFilter<MongoDocument>): Promise<T | null> => {
    const found = await driver.findOne(filter, { ...inSession, sort: { _id: 1 } });
    return found === null ? null : (decodeDocument(found) as T);
  };
  return {
    get: (id) => operate(() => one(byId(id))),
    find: (filter) => operate(() => one(condition(filter))),
    list: (options = {}) =>
      operate(async () => {
        const limit = pageLimit(options.limit);
        const found = await driver
          .find(condition(options.filter ?? {}, options.cursor ?? ''), inSession)
          .sort({ _id: 1 })
          .limit(limit + 1)
          .toArray();
        const items = found.slice(0, limit).map((document) => decodeDocument(document) as T);
        return { items, nextCursor: found.length > limit ? (items.at(-1)?.id ?? null) : null };
      }),
    count: (filter = {}) => operate(() => driver.countDocuments(condition(filter), inSession)),
    insert: (input) =>
      operate(async () => {
        const { document } = checkDocument({ ...input, revision: 1 });
        await driver.insertOne(encodeDocument(document), inSession);
        return document;
      }),
    replace: (input) =>
      operate(async () => {
        const { document } = checkDocument({ ...input, revision: input.revision + 1 });
        const done = await driver.replaceOne(
          byId(input.id, input.revision),
          encodeDocument(document),
          inSession,
        );
        if (done.matchedCount === 1) return document;
        throw (await one(byId(input.id))) === null ? notFound(name, input.id) : stale(name, input.id);
      }),
    put: (input) =>
      operate(async () => {
        const { document } = checkDocument(input);
        await driver.replaceOne(byId(input.id), encodeDocument(document), { ...inSession, upsert: true });
      }),
    delete: (id, revision) =>
      operate(async () => {
        const done = await driver.deleteOne(byId(id, revision), inSession);
        if (done.deletedCount === 1) return true;
        if ((await one(byId(id))) === null) return false;
        throw stale(name, id);
      }),
  };
}

function specification(fields: readonly string[]): Document {
  for (const field of fields) checkField(field);
  return Object.fromEntries(fields.map((field) => [mongoField(field), 1]));
}

/** `$eq` takes any value as a value: what looks like an operator is none. */
function byId(id: string, revision?: number): DriverFilter<MongoDocument> {
  return { _id: { $eq: id }, ...(revision === undefined ? {} : { revision: { $eq: revision } }) };
}

function condition(filter: Filter, after = ''): DriverFilter<MongoDocument> {
  const terms: DriverFilter<MongoDocument>[] = checkFilter(filter).map(([field, value]) => ({
    [mongoField(field)]: { $eq: value },
  }));
  if (after !== '') terms.push({ _id: { $gt: after } });
  return terms.length === 0 ? {} : { $and: terms };
}
