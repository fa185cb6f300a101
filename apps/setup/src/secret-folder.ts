/**
 * A folder of secrets for one reader. Files are 0400 and its own, written beside and renamed, so that a file that is there
 * is whole. What is there stays: the set-up can be run again at each start.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './errors.ts';

/** The files of one reader. */
export class SecretFolder {
  readonly path: string;
  readonly #uid: number;

  constructor(root: string, name: string, uid: number) {
    this.path = join(root, name);
    this.#uid = uid;
    this.#try(() => {
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      this.#own(this.path);
    });
  }

  has(name: string): boolean {
    return existsSync(join(this.path, name));
  }

  /** The text of a file that is there. */
  read(name: string): string {
    return this.#try(() => readFileSync(join(this.path, name), 'utf8'));
  }

  /** Writes a file, in place of the one that is there. */
  write(name: string, text: string): void {
    const file = join(this.path, name);
    this.#try(() => {
      // One that was left keeps its mode, and a reader who is not root could not write it.
      rmSync(`${file}.new`, { force: true });
      writeFileSync(`${file}.new`, text, { mode: 0o400, flush: true });
      this.#own(`${file}.new`);
      renameSync(`${file}.new`, file);
    });
  }

  /** The text of a file; it is made when there is none. */
  keep(name: string, make: () => string): string {
    if (!this.has(name)) this.write(name, make());
    return this.read(name);
  }

  #own(path: string): void {
    if (process.getuid?.() === 0) chownSync(path, this.#uid, this.#uid);
  }

  #try<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new SetupError('SETUP_FOLDER_UNUSABLE', `${this.path} cannot be written or read`, { cause });
    }
  }
}
