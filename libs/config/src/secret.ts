/**
 * A secret setting. Its text leaves the object only through `reveal()`: templates, JSON, logs and inspection show
 * `***`, so a settings object can be logged whole. It protects against a slip, not against code that wants the text.
 */
import { statSync } from 'node:fs';
import { inspect } from 'node:util';
import { Type, type TUnsafe } from 'typebox';
import { readSecretFile } from './bounded-file.ts';
import type { SettingAnnotations } from './setting.ts';

const mask = '***';

/** A masked text. `file` is where it was read from, for programs that read a replaced secret anew. */
export class Secret {
  readonly #text: string;
  /** The file it came from, or null when it came from elsewhere. */
  readonly file: string | null;

  constructor(text: string, file: string | null = null) {
    this.#text = text;
    this.file = file;
    Object.freeze(this);
  }

  /** The text itself: hand it on where it is needed, and keep it nowhere else. */
  reveal(): string {
    return this.#text;
  }

  /**
   * The text as it is now: one from a file may have been replaced. What is no file (a pipe, `<(…)` of a shell) gives its
   * text once. Throws what reading the file throws.
   */
  current(): string {
    if (this.file === null || !statSync(this.file).isFile()) return this.#text;
    return readSecretFile(this.file);
  }

  toString(): string {
    return mask;
  }

  toJSON(): string {
    return mask;
  }

  [inspect.custom](): string {
    return mask;
  }
}

/**
 * The schema of a secret setting `x`: variables `…_X` and `…_X_FILE`, file keys `x` and `xFile`, and the flag
 * `--x-file FILE`. There is no flag for the text itself unless `inArgv` asks for one.
 */
export function secret(
  options: SettingAnnotations & {
    description: string;
    minLength?: number;
    maxLength?: number;
    pattern?: string;
  },
): TUnsafe<Secret> {
  return Type.Unsafe<Secret>({ type: 'string', ...options, secret: true });
}
