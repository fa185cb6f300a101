/**
 * Documents as MongoDB keeps them: the ID as `_id`, and keys that mean something there (`$…`, dots, `_id`,
 * `__proto__`) with the offending character as `%XX`, so that every document of JSON comes back as it was.
 */
import { define } from './document.ts';
import type { StoredDocument } from './store.ts';

/** A document as the driver takes and gives it. */
export interface MongoDocument {
  _id: string;
  revision: number;
  [key: string]: unknown;
}

/** To be stored. */
export function encodeDocument({ id, revision, ...rest }: StoredDocument): MongoDocument {
  return { _id: id, revision, ...(mapKeys(rest, encodeKey) as object) };
}

/** As it was stored. */
export function decodeDocument({ _id, revision, ...rest }: MongoDocument): StoredDocument {
  return { id: _id, revision, ...(mapKeys(rest, decodeKey) as object) };
}

/** How MongoDB calls a field of filters and keys. */
export function mongoField(field: string): string {
  return field === 'id' ? '_id' : field;
}

function mapKeys(value: unknown, name: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => mapKeys(item, name));
  if (typeof value !== 'object' || value === null) return value;
  const copy = {};
  for (const [key, item] of Object.entries(value)) define(copy, name(key), mapKeys(item, name));
  return copy;
}

function encodeKey(key: string): string {
  return key.replaceAll(/[%$.\0]|^_(?=id$|_proto__$)/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

function decodeKey(key: string): string {
  return key.replaceAll(/%([0-9A-F]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
