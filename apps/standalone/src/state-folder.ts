/**
 * The folder of one platform. Who opens the documents holds the folder: SQLite's lock lets in one process, so nothing
 * in it is read or written before. Files are written whole or not at all, secrets with mode 0600.
 *
 *     postern.db                documents
 *     key-encryption-key        what private keys in them are encrypted under; without it they are lost
 *     api-key                   the first API key; taken away, the next start makes another
 *     ports.json                the ports that were taken for 0, and the shared ones
 *     operator.json, ca.pem     for operators; written anew at each start
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { hasSecrets } from '@postern/certstore';
import { StoreError, openSqlite, type OutcomeWatch, type Store } from '@postern/store';
import { standaloneError } from './errors.ts';
import type { Operator } from './operator.ts';

/** The ports that a platform keeps over its starts. */
export interface KeptPorts {
  connect?: number;
  http?: number;
  tunnel?: number;
  admin?: number;
}

/** Folder by folder: where nothing can be made, as in /proc, Node's own `recursive` never ends. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** A folder that belongs to this process until its store is closed. */
export class StateFolder {
  readonly path: string;
  readonly store: Store;

  private constructor(path: string, store: Store) {
    this.path = path;
    this.store = store;
  }

  /**
   * Makes the folder where there is none. Throws `STANDALONE_STATE_IN_USE` when another process has it. `onOutcome` is told how
   * each operation on the documents ended.
   */
  static open(folder: string, onOutcome: OutcomeWatch): StateFolder {
    const path = resolve(folder);
    const documents = join(path, 'postern.db');
    try {
      makeFolder(path);
      return new StateFolder(path, openSqlite(documents, { onOutcome }));
    } catch (error) {
      if (error instanceof StoreError && error.code === 'STORE_LOCKED') {
        throw standaloneError('STANDALONE_STATE_IN_USE', `another process runs on ${path}`, error);
      }
      throw standaloneError(
        'STANDALONE_STATE_UNUSABLE',
        `${path}: ${textOf(error)}; give --state a folder that this user may make and write to`,
        error,
      );
    }
  }

  get caFile(): string {
    return join(this.path, 'ca.pem');
  }

  /** The key-encryption keys in the folder, one a line, the newest first; null where there is no such file. */
  keptKeys(): string | null {
    return this.#read('key-encryption-key')?.trim() ?? null;
  }

  /** Made once; with the documents but without it there is nothing to be had, and no new one is made. */
  async keyEncryptionKey(): Promise<string> {
    const kept = this.keptKeys();
    if (kept !== null) return kept;
    // Not whether there is a file of documents: a first start that failed leaves one, and nothing in it.
    if (await hasSecrets(this.store)) {
      throw standaloneError(
        'STANDALONE_STATE_INCOMPLETE',
        `${this.path} has documents but no key-encryption-key, without which their private keys cannot be read`,
      );
    }
    return this.#make('key-encryption-key', randomBytes(32).toString('base64'));
  }

  apiKey(): string {
    const kept = this.#read('api-key');
    return kept === null ? this.#make('api-key', `pk_${randomBytes(32).toString('base64url')}`) : kept.trim();
  }

  ports(): KeptPorts {
    const text = this.#read('ports.json');
    if (text === null) return {};
    try {
      const { connect, http, tunnel, admin } = JSON.parse(text) as Record<string, unknown>;
      return { ...port({ connect }), ...port({ http }), ...port({ tunnel }), ...port({ admin }) };
    } catch (error) {
      throw standaloneError(
        'STANDALONE_STATE_UNUSABLE',
        `${join(this.path, 'ports.json')} is no JSON`,
        error,
      );
    }
  }

  keepPorts(ports: KeptPorts): void {
    this.#write('ports.json', `${JSON.stringify(ports)}\n`, 0o600);
  }

  writeCa(pem: string): void {
    this.#write('ca.pem', pem, 0o644);
  }

  writeOperator(operator: Operator): void {
    this.#write('operator.json', `${JSON.stringify(operator, null, 2)}\n`, 0o600);
  }

  #read(name: string): string | null {
    try {
      return readFileSync(join(this.path, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw standaloneError('STANDALONE_STATE_UNUSABLE', textOf(error), error);
    }
  }

  #make(name: string, secret: string): string {
    this.#write(name, `${secret}\n`, 0o600);
    return secret;
  }

  #write(name: string, text: string, mode: number): void {
    const path = join(this.path, name);
    try {
      writeFileSync(`${path}.new`, text, { mode, flush: true });
      chmodSync(`${path}.new`, mode);
      renameSync(`${path}.new`, path);
    } catch (error) {
      throw standaloneError('STANDALONE_STATE_UNUSABLE', textOf(error), error);
    }
  }
}

/** Only what is a port is kept. */
function port(one: Record<string, unknown>): KeptPorts {
  return Object.fromEntries(
    Object.entries(one).filter(
      ([, value]) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536,
    ),
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
