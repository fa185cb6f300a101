export type { Collection, CollectionOptions, Filter, Page, Store, StoredDocument } from './store.ts';
