/** What a source (flags, environment, file) says of each setting, before it is checked. */
import type { ConfigProblem } from './errors.ts';
import type { Setting } from './setting.ts';

/** A value for one setting as a source gave it, not checked yet. */
export interface Found {
  readonly setting: Setting;
  readonly value: unknown;
  /** The value is the path of the file that holds the secret. */
  readonly isSecretFile: boolean;
  /** Where it stands, as messages name it: `--port`, `POSTERN_EDGE_PORT`, `edge.yaml:3: port`. */
  readonly origin: string;
  readonly source: SourceKind;
}

/** The sources in words; the first that knows a setting decides it. */
export type SourceKind = 'flag' | 'environment' | 'file';

/** What one source said: at most one value per setting. */
export interface SourceResult {
  readonly found: ReadonlyMap<string, Found>;
  readonly problems: readonly ConfigProblem[];
}

/** Collects a source's values; a secret that is given both as text and as file is a conflict. */
export class FoundValues {
  readonly #found = new Map<string, Found>();
  readonly problems: ConfigProblem[] = [];

  add(found: Found): void {
    const former = this.#found.get(found.setting.name);
    if (former !== undefined && former.isSecretFile !== found.isSecretFile) {
      this.problems.push({
        code: 'CONFIG_CONFLICT',
        message: `${former.origin} and ${found.origin} say the same secret twice: keep one of them`,
      });
      return;
    }
    this.#found.set(found.setting.name, found);
  }

  result(): SourceResult {
    return { found: this.#found, problems: this.problems };
  }
}
