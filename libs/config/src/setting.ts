/**
 * Reads one program's TypeBox object schema into a flat list of settings: what each is called in argv, in the
 * environment and in the file, and how its text becomes a value. Pure; everything else in this lib works on the list.
 *
 *     property idleTimeoutMs  ->  --idle-timeout-ms   POSTERN_EDGE_IDLE_TIMEOUT_MS   idleTimeoutMs
 *     secret   token          ->  --token-file FILE   POSTERN_TOKEN, POSTERN_TOKEN_FILE   token, tokenFile
 */
import assert from 'node:assert/strict';
import type { TObject, TSchema } from 'typebox';

/** What a property of a program's schema may say beside TypeBox's own words. */
export interface SettingAnnotations {
  /** Help and docs show it; every setting must have one. */
  description?: string;
  /** The variable's whole name where it is shared by programs, e.g. `POSTERN_NATS_URL`, or is OpenTelemetry's. */
  environment?: `POSTERN_${string}` | `OTEL_${string}`;
  /** A short flag: `-F`. */
  short?: `-${string}`;
  /** Further flags that mean the same, hidden from help: `['--aclfile']`. */
  aliases?: readonly `-${string}`[];
  /** Further flags that switch a boolean off, hidden from help: `['--noUI']`. */
  negations?: readonly `-${string}`[];
  /** Makes it a positional argument in place of a flag: `<name>`, `[name]`, `<name...>` or `[name...]`. */
  argument?: `<${string}>` | `[${string}]`;
  /** The word for the value in help: `FILE`, `HOST:PORT`. */
  placeholder?: string;
  /** What `pattern` asks for, in words: `printable ASCII without blanks`. */
  form?: string;
  /** The setting that this number is not to be below: the first of a range, for its last. */
  notBelow?: string;
  /** Not in `--help` and docs. */
  hidden?: boolean;
  /** For a secret: flags that carry the text itself; using one earns a warning. `true` gives `--name` without one. */
  inArgv?: true | readonly `-${string}`[];
}

/** How the text of a flag or variable becomes a value. */
export type SettingKind = 'text' | 'integer' | 'number' | 'boolean' | 'choice' | 'list' | 'map' | 'structure';

/** One setting of a program, as flags, environment, file, help and docs see it. */
export interface Setting {
  readonly name: string;
  readonly kind: SettingKind;
  readonly schema: TSchema;
  /** For a list: the kind of its items. */
  readonly itemKind: SettingKind;
  readonly itemSchema: TSchema;
  /** For a choice: what may be chosen. */
  readonly choices: readonly string[];
  readonly description: string;
  readonly default: unknown;
  readonly required: boolean;
  readonly secret: boolean;
  readonly nullable: boolean;
  /** Another setting, or null. */
  readonly notBelow: string | null;
  readonly hidden: boolean;
  /** `--kebab-case`, or null when it has none. */
  readonly flag: string | null;
  readonly short: string | null;
  readonly aliases: readonly string[];
  readonly negations: readonly string[];
  readonly argument: string | null;
  readonly placeholder: string;
  /** Null for what only the file can say. */
  readonly variable: string | null;
  /** A secret's flag, variable and file key for a file that holds it. */
  readonly fileFlag: string | null;
  readonly fileVariable: string | null;
  readonly fileKey: string | null;
  /** Flags that carry a secret's text and earn a warning. */
  readonly warnedFlags: readonly string[];
}

type Annotated = TSchema &
  SettingAnnotations & {
    type?: string;
    default?: unknown;
    secret?: boolean;
    anyOf?: Annotated[];
    enum?: unknown[];
    const?: unknown;
    items?: Annotated;
    properties?: Record<string, Annotated>;
    additionalProperties?: unknown;
    patternProperties?: Record<string, Annotated>;
  };

/** The settings of a schema, in its order. A schema that cannot be told apart in argv or environment is a bug: it asserts. */
export function listSettings(schema: TObject, environmentPrefix: string): Setting[] {
  const required = new Set<string>(schema.required ?? []);
  const settings = Object.entries(schema.properties).map(([name, property]) =>
    readSetting(name, property as Annotated, required.has(name), environmentPrefix),
  );
  assertDistinct(settings);
  return settings;
}

/** `idleTimeoutMs` -> `idle-timeout-ms`. */
function kebabCase(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

function upperSnake(name: string): string {
  return kebabCase(name).replaceAll('-', '_').toUpperCase();
}

function readSetting(name: string, property: Annotated, required: boolean, prefix: string): Setting {
  const { core, nullable } = withoutNull(property);
  const kind = kindOf(core);
  assert(property.description, `setting ${name} has a description`);
  if (kind === 'structure') assertClosed(name, core);
  const secret = property.secret === true;
  const fileOnly = kind === 'structure';
  const hasFlag = !fileOnly && property.argument === undefined && (!secret || property.inArgv === true);
  const variable = fileOnly ? null : (property.environment ?? `POSTERN_${prefix}_${upperSnake(name)}`);
  const item = core.items ?? core;
  return {
    name,
    kind,
    schema: property,
    itemSchema: item,
    itemKind: kind === 'list' ? kindOf(item) : kind,
    choices: choicesOf(kind === 'list' ? item : core),
    description: property.description,
    default: property.default,
    required: required && property.default === undefined,
    secret,
    nullable,
    notBelow: property.notBelow ?? null,
    hidden: property.hidden === true,
    flag: hasFlag ? `--${kebabCase(name)}` : null,
    short: property.short ?? null,
    aliases: property.aliases ?? [],
    negations: property.negations ?? [],
    argument: property.argument ?? null,
    placeholder: property.placeholder ?? placeholderOf(kind === 'list' ? kindOf(item) : kind),
    variable,
    fileFlag: secret ? `--${kebabCase(name)}-file` : null,
    fileVariable: secret && variable !== null ? `${variable}_FILE` : null,
    fileKey: secret ? `${name}File` : null,
    warnedFlags: secret && property.inArgv !== true ? (property.inArgv ?? []) : [],
  };
}

function withoutNull(schema: Annotated): { core: Annotated; nullable: boolean } {
  const parts = schema.anyOf ?? [];
  const others = parts.filter((part) => part.type !== 'null');
  if (others.length === parts.length) return { core: schema, nullable: false };
  const [only] = others;
  return {
    core: others.length === 1 && only !== undefined ? only : { ...schema, anyOf: others },
    nullable: true,
  };
}

function kindOf(schema: Annotated): SettingKind {
  if (choicesOf(schema).length > 0) return 'choice';
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
    case 'boolean':
      return schema.type;
    case 'array':
      return schema.items !== undefined && isScalar(kindOf(schema.items)) ? 'list' : 'structure';
    case 'object': {
      const [values] = Object.values(schema.patternProperties ?? {});
      return values !== undefined && kindOf(values) === 'text' ? 'map' : 'structure';
    }
    default:
      return 'structure';
  }
}

/** So that an unknown key inside a structure is refused as one outside is. */
function assertClosed(name: string, schema: Annotated): void {
  const parts = [
    schema.items,
    ...Object.values(schema.properties ?? {}),
    ...Object.values(schema.patternProperties ?? {}),
  ];
  if (schema.properties !== undefined) {
    assert(
      schema.additionalProperties === false,
      `setting ${name}: its objects say additionalProperties: false`,
    );
  }
  for (const part of parts) if (part !== undefined) assertClosed(name, part);
}

function isScalar(kind: SettingKind): boolean {
  return kind !== 'list' && kind !== 'map' && kind !== 'structure';
}

function choicesOf(schema: Annotated): string[] {
  const values =
    schema.enum ??
    schema.anyOf?.map((part) => part.const) ??
    (schema.const === undefined ? [] : [schema.const]);
  return values.every((value) => typeof value === 'string') ? values : [];
}

function placeholderOf(kind: SettingKind): string {
  switch (kind) {
    case 'integer':
    case 'number':
      return 'N';
    case 'map':
      return 'NAME=VALUE';
    case 'choice':
      return 'WORD';
    case 'text':
    case 'boolean':
    case 'list':
    case 'structure':
      return 'TEXT';
  }
}

function assertDistinct(settings: readonly Setting[]): void {
  const seen = new Set(['--help', '-h', '--version', '--config', '--check-config']);
  for (const setting of settings) {
    const names = [
      setting.flag,
      setting.short,
      setting.fileFlag,
      setting.variable,
      setting.fileVariable,
      ...setting.aliases,
      ...setting.negations,
      ...setting.warnedFlags,
    ];
    for (const name of names) {
      if (name === null) continue;
      assert(!seen.has(name), `setting ${setting.name}: ${name} has one meaning only`);
      seen.add(name);
    }
  }
}
