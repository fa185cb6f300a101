/** The errors of changing a document that is another by now. */
import { StoreError } from './store-error.ts';

/** Of a replace or delete that comes after another's. */
export function stale(collection: string, id: string): StoreError {
  return new StoreError('STORE_STALE', `${id} of ${collection} has another revision by now`);
}

/** Of a replace of what is not there. */
export function notFound(collection: string, id: string): StoreError {
  return new StoreError('STORE_NOT_FOUND', `${id} is not in ${collection}`);
}
