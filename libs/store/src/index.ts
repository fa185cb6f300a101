export { documentBytesMax, pageItemsMax, uniqueKeyOf } from './document.ts';
export { connectMongo, type MongoOptions } from './mongo-store.ts';
export { type MigrateOptions, type MigrationWatch, migrate } from './migrate.ts';
export { newId } from './new-id.ts';
export { openSqlite } from './sqlite-store.ts';
export { StoreError, type StoreErrorCode } from './store-error.ts';
export type {
  Collection,
  CollectionOptions,
  DocumentStep,
  Filter,
  Page,
  Store,
  StoredDocument,
} from './store.ts';
export { TurnQueue } from './turn-queue.ts';
export { untilReachable } from './until-reachable.ts';
export { storable, upgrade, versionOf } from './versioned.ts';
