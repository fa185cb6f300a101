/**
 * What a noun of the command line is: where its objects are in the API, how they are shown, and which fields make and
 * change them. nouns.ts is the table of all; command.ts makes subcommands of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { CliError } from './errors.ts';

/** One option that sets a field of the body. */
export interface Field {
  /** As commander takes them: `--note <TEXT>`. */
  readonly flags: string;
  readonly description: string;
  /** The part of the body (or merge patch) that the option's value gives. */
  readonly body: (value: string) => object;
  /** Given several times, its values stand with commas between them. */
  readonly repeats?: true;
}

/** One argument of `create`, after those that say where. */
export interface Argument extends Omit<Field, 'flags'> {
  /** `<name>`. */
  readonly name: string;
}

/** A kind of object that the API has a collection of. */
export interface Noun {
  readonly name: string;
  readonly summary: string;
  /** What one object is called in help: `gateway`. */
  readonly item: string;
  /** Below which objects the collection is: none, or a gateway. */
  readonly within: readonly 'gateway'[];
  /** The collection's path. */
  readonly path: (...within: string[]) => string;
  /** Heading and path of each column: `{ front: 'front.url' }`. */
  readonly columns: Readonly<Record<string, string>>;
  /** Whether what is made has a secret in it that nobody is shown again. */
  readonly shownOnce?: true;
  readonly verbs: readonly ('list' | 'show' | 'create' | 'update' | 'delete')[];
  readonly arguments?: readonly Argument[];
  /** Options of `create`. */
  readonly create?: readonly Field[];
  /** Options of `update`. */
  readonly update?: readonly Field[];
}

/**
 * Merges objects deeply: options may set neighbouring fields of one object.
 * @throws {CliError} `CLI_ARGUMENT_INVALID` where two of them set one field, as `--enable` and `--disable` do.
 */
export function mergeBodies(bodies: readonly object[], within = ''): Record<string, unknown> {
  // No object yet: a key may be called toString or __proto__.
  const merged = new Map<string, unknown>();
  for (const body of bodies) {
    for (const [key, value] of Object.entries(body)) {
      const former = merged.get(key);
      const path = `${within}${key}`;
      if (former === undefined) merged.set(key, value);
      else if (isObject(former) && isObject(value)) merged.set(key, mergeBodies([former, value], `${path}.`));
      else if (!isDeepStrictEqual(former, value))
        throw new CliError(
          'CLI_ARGUMENT_INVALID',
          `two of the options contradict each other: both set ${path}`,
        );
    }
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
