/**
 * One collection as a SQLite table of ID, revision and JSON text, and its keys as indexes over JSON expressions.
 * `body -> '$.a.b'` gives the field's JSON text, or NULL when it is absent: so text and numbers never meet, and a
 * unique index over absent fields holds nobody.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { checkDocument, checkField, checkFilter, pageLimit } from './document.ts';
import { notFound, stale } from './document-error.ts';
import type { CollectionOptions, Filter, ListOptions, Page, StoredDocument } from './store.ts';
import { sqliteError } from './sqlite-error.ts';

/** How many statements a table keeps prepared. */
const statementsMax = 256;

/** All operations, synchronous; whoever calls sees to turns and transactions. */
export class SqliteTable<T extends StoredDocument> {
  readonly name: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #keys = new Map<string, readonly string[]>();
  readonly #table: string;

  constructor(database: DatabaseSync, name: string, options: CollectionOptions) {
    this.name = name;
    this.#database = database;
    this.#table = `"documents_${name}"`;
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${this.#table} (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID`,
    );
    for (const fields of options.unique ?? []) this.#createUnique(fields);
    for (const fields of [...(options.indexes ?? []), ...(options.unique ?? [])]) {
      const columns = fields.map(column).join(', ');
      database.exec(
        `CREATE INDEX IF NOT EXISTS ${this.#indexName('index', fields)} ON ${this.#table} (${columns})`,
      );
    }
  }

  get(id: string): T | null {
    return this.#one(`WHERE id = ?`, [id]);
  }

  find(filter: Filter): T | null {
    const { where, values } = condition(filter);
    return this.#one(`WHERE ${where} ORDER BY id LIMIT 1`, values);
  }

  list(options: ListOptions = {}): Page<T> {
    const { where, values } = condition(options.filter ?? {});
    const limit = pageLimit(options.limit);
    const rows = this.#run(
      `SELECT body FROM ${this.#table} WHERE ${where} AND id > ? ORDER BY id LIMIT ?`,
      (statement) => statement.all(...values, options.cursor ?? '', limit + 1),
    );
    const items = rows.slice(0, limit).map((row) => this.#parse(row));
    return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
  }

  count(filter: Filter = {}): number {
    const { where, values } = condition(filter);
    const row = this.#run(`SELECT count(*) AS count FROM ${this.#table} WHERE ${where}`, (statement) =>
      statement.get(...values),
    );
    return Number(row?.['count']);
  }

  insert(input: T): T {
    const { text, document } = checkDocument({ ...input, revision: 1 });
    this.#run(`INSERT INTO ${this.#table} (id, revision, body) VALUES (?, 1, ?)`, (statement) =>
      statement.run(document.id, text),
    );
    return document;
  }

  replace(input: T): T {
    const { text, document } = checkDocument({ ...input, revision: input.revision + 1 });
    const done = this.#run(
      `UPDATE ${this.#table} SET revision = ?, body = ? WHERE id = ? AND revision = ?`,
      (statement) => statement.run(document.revision, text, document.id, input.revision),
    );
    if (done.changes === 1) return document;
    throw this.get(input.id) === null ? notFound(this.name, input.id) : stale(this.name, input.id);
  }

  put(input: T): void {
    const { text, document } = checkDocument(input);
    this.#run(
      `INSERT INTO ${this.#table} (id, revision, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, body = excluded.body`,
      (statement) => statement.run(document.id, document.revision, text),
    );
  }

  delete(id: string, revision?: number): boolean {
    const where = revision === undefined ? 'id = ?' : 'id = ? AND revision = ?';
    const values = revision === undefined ? [id] : [id, revision];
    const done = this.#run(`DELETE FROM ${this.#table} WHERE ${where}`, (statement) =>
      statement.run(...values),
    );
    if (done.changes === 1) return true;
    if (this.get(id) === null) return false;
    throw stale(this.name, id);
  }

  #one(rest: string, values: SQLInputValue[]): T | null {
    const row = this.#run(`SELECT body FROM ${this.#table} ${rest}`, (statement) => statement.get(...values));
    return row === undefined ? null : this.#parse(row);
  }

  #parse(row: Record<string, unknown>): T {
    return JSON.parse(String(row['body'])) as T;
  }

  #run<R>(sql: string, use: (statement: StatementSync) => R): R {
    try {
      return use(this.#statement(sql));
    } catch (error) {
      throw sqliteError(error, this.name, this.#keys);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      if (this.#statements.size >= statementsMax) this.#statements.clear();
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Documents that have none of the fields are not held to it; among the others an absent field is a null. */
  #createUnique(fields: readonly string[]): void {
    const name = this.#indexName('unique', fields);
    const columns = fields.map((field) => `coalesce(${column(field)}, 'null')`).join(', ');
    const some = fields.map((field) => `${column(field)} IS NOT NULL`).join(' OR ');
    this.#database.exec(
      `CREATE UNIQUE INDEX IF NOT EXISTS ${name} ON ${this.#table} (${columns}) WHERE ${some}`,
    );
    this.#keys.set(name.slice(1, -1), fields);
  }

  #indexName(kind: 'index' | 'unique', fields: readonly string[]): string {
    for (const field of fields) checkField(field);
    return `"${kind}_${this.name}_${fields.join('+')}"`;
  }
}

function column(field: string): string {
  checkField(field);
  return `body -> '$.${field}'`;
}

function condition(filter: Filter): { where: string; values: SQLInputValue[] } {
  const terms = ['1'];
  const values: SQLInputValue[] = [];
  for (const [field, value] of checkFilter(filter)) {
    if (value === null) terms.push(`coalesce(${column(field)}, 'null') = 'null'`);
    else {
      terms.push(`${column(field)} = ?`);
      values.push(JSON.stringify(value));
    }
  }
  return { where: terms.join(' AND '), values };
}
