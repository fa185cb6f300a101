/**
 * What may be stored, and how one says which: checked once, before either implementation sees it, so that both
 * store and refuse the same. A document is what JSON keeps of it, with well-formed strings; any key is allowed.
 */
import assert from 'node:assert/strict';
import { StoreError } from './store-error.ts';
import type { Filter, StoredDocument } from './store.ts';

/** Longest document, in bytes of JSON. */
export const documentBytesMax = 1024 * 1024;
/** Longest ID, in characters. */
export const idLengthMax = 200;
/** How deep objects and arrays of a document may be nested. */
export const documentDepthMax = 64;
/** Most documents in one page of a list. */
export const pageItemsMax = 1000;
const pageItemsDefault = 100;

/** A copy as it will be read back. Throws `STORE_TOO_LARGE` and `STORE_DOCUMENT_INVALID`. */
export function checkDocument<T extends StoredDocument>(document: T): { text: string; document: T } {
  checkId(document.id);
  const text = JSON.stringify(wellFormed(document, 0));
  const bytes = Buffer.byteLength(text);
  if (bytes > documentBytesMax) {
    throw new StoreError(
      'STORE_TOO_LARGE',
      `a document of ${bytes} bytes; at most ${documentBytesMax} can be stored`,
    );
  }
  return { text, document: JSON.parse(text) as T };
}

/** Fields of filters and keys come from code, never from outside; a wrong one is a programmer's error. */
export function checkField(field: string): void {
  assert(/^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$/.test(field), `not a field: ${field}`);
}

/** Values of filters may come from outside, but only as plain values: an object would be an operator. */
export function checkFilter(filter: Filter): [field: string, value: string | number | boolean | null][] {
  return Object.entries(filter).map(([field, value]) => {
    checkField(field);
    assert(
      value === null || ['string', 'number', 'boolean'].includes(typeof value),
      `no plain value for ${field}`,
    );
    return [field, typeof value === 'string' ? value.toWellFormed() : value];
  });
}

/** What a document has of a unique key, to be compared; null when it lacks all of the fields and is not held to it. */
export function uniqueKeyOf(document: StoredDocument, fields: readonly string[]): string | null {
  const values = fields.map((field) => {
    checkField(field);
    return field.split('.').reduce<unknown>(memberOf, document);
  });
  return values.every((value) => value === undefined) ? null : JSON.stringify(values);
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** Names of collections come from code. */
export function checkName(name: string): void {
  assert(/^[a-z][a-zA-Z0-9_]{0,50}$/.test(name), `not a collection: ${name}`);
}

/** How many a page may have. */
export function pageLimit(limit: number | undefined): number {
  return Math.max(1, Math.min(limit ?? pageItemsDefault, pageItemsMax));
}

function checkId(id: unknown): void {
  if (
    typeof id !== 'string' ||
    id.length === 0 ||
    id.length > idLengthMax ||
    /\p{Cc}/u.test(id) ||
    !id.isWellFormed()
  ) {
    throw new StoreError(
      'STORE_DOCUMENT_INVALID',
      `an ID is 1 to ${idLengthMax} characters without control characters`,
    );
  }
}

function wellFormed(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= documentDepthMax) {
    throw new StoreError('STORE_DOCUMENT_INVALID', `a document is at most ${documentDepthMax} levels deep`);
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return wellFormed(value.toJSON(''), depth + 1);
  if (Array.isArray(value)) return value.map((item) => wellFormed(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value))
    define(copy, key.toWellFormed(), wellFormed(item, depth + 1));
  return copy;
}

/** Sets a property of any name, `__proto__` too, as a plain one. */
export function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}
