/**
 * The documents of one collection, as they are read out of a part: each in the version of the collection, and one that the
 * store will take. What passes here a commit can write; one that failed there, behind another owner's, would leave a
 * platform restored by half, with nothing to mend it.
 */
import type { BackupRoom } from '@postern/contracts';
import { StoreError, type StoredDocument, storable, uniqueKeyOf, upgrade } from '@postern/store';
import { Compile, type Validator } from 'typebox/compile';
import { damaged } from './errors.ts';
import type { BackedUpCollection } from './source.ts';

/** One above the highest revision: far above all that there are, and far enough below the end of whole numbers. */
const revisionsEnd = 2 ** 48;

/** Those of one collection of a part, in its order. */
export class PartCollection {
  readonly documents: StoredDocument[] = [];
  readonly #room: BackupRoom;
  readonly #collection: BackedUpCollection['collection'];
  readonly #version: number;
  readonly #schema: Validator;
  readonly #ids = new Set<string>();
  readonly #keys: readonly { readonly fields: readonly string[]; readonly taken: Set<string> }[];

  constructor(room: BackupRoom, { collection, schema }: BackedUpCollection, version: number) {
    this.#room = room;
    this.#collection = collection;
    this.#version = version;
    this.#schema = Compile(schema);
    this.#keys = collection.unique.map((fields) => ({ fields, taken: new Set() }));
  }

  /** Takes the next. Throws `BACKUP_DAMAGED`. */
  add(given: StoredDocument): void {
    const { name } = this.#collection;
    const document = this.#storable(this.#upgraded(given));
    if (!this.#schema.Check(document)) throw this.#notOne(document);
    if (document.revision < 1 || document.revision >= revisionsEnd)
      throw damaged(this.#room, `${document.id} of ${name} has a revision that none can have`);
    if (this.#ids.has(document.id)) throw damaged(this.#room, `it has ${document.id} of ${name} twice`);
    this.#ids.add(document.id);
    this.#takeKeys(document);
    this.documents.push(document);
  }

  /** A step knows only what its own collection has held; of other things it may make nothing. */
  #upgraded(document: StoredDocument): StoredDocument {
    try {
      return upgrade(document, this.#version, this.#collection.steps);
    } catch {
      throw this.#notOne(document);
    }
  }

  #storable(document: StoredDocument): StoredDocument {
    try {
      return storable(document, this.#collection);
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
      throw damaged(this.#room, `one of ${this.#collection.name} cannot be stored: ${cause.message}`, cause);
    }
  }

  #takeKeys(document: StoredDocument): void {
    for (const { fields, taken } of this.#keys) {
      const key = uniqueKeyOf(document, fields);
      if (key === null) continue;
      if (taken.has(key)) {
        const text = `${document.id} of ${this.#collection.name} has the same ${fields.join(', ')} as another`;
        throw damaged(this.#room, text);
      }
      taken.add(key);
    }
  }

  #notOne({ id }: StoredDocument): Error {
    return damaged(this.#room, `${id} of ${this.#collection.name} is not one of its kind`);
  }
}
