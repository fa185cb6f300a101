/**
 * Puts a program's settings together: flag, then environment, then file, then default. Pure but for the files that it
 * is told to read. Every problem is collected, so that one start shows all of them; nothing secret is in a message.
 */
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { type ReadFile, readBoundedFile, readSecretFile } from './bounded-file.ts';
import { type CommandLineProgram, readCommandLine } from './command-line.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { type ConfigProblem, ConfigError } from './errors.ts';
import { readConfigFile } from './file.ts';
import type { Found, SourceKind, SourceResult } from './found.ts';
import { Secret } from './secret.ts';
import type { Setting } from './setting.ts';
import { describeType } from './value.ts';

/** Where each setting's value came from. */
export type Origins = Readonly<Record<string, SourceKind | 'default'>>;

/** What a start of the program amounts to: text for stdout, or its settings. */
export type Resolution<Settings> =
  | { kind: 'print'; text: string }
  | { kind: 'run'; settings: Readonly<Settings>; origins: Origins; warnings: readonly string[] };

/** The settings for this argv and environment; throws ConfigError with everything that is wrong. */
export function resolveSettings(
  program: CommandLineProgram,
  argv: readonly string[],
  environment: Environment,
  readFile?: ReadFile,
): Resolution<Record<string, unknown>> {
  const commandLine = readCommandLine(program, argv);
  if (commandLine.kind === 'print') return commandLine;
  const path = commandLine.configFile ?? (environment[program.configVariable] || null);
  const none: SourceResult = { found: new Map(), problems: [] };
  const sources = [
    commandLine.values,
    readEnvironment(program.settings, program.configVariable, environment),
    path === null ? none : readConfigFile(program.settings, path, readFile ?? readBoundedFile),
  ];
  const problems = sources.flatMap((source) => source.problems);
  const settings: Record<string, unknown> = {};
  const origins: Record<string, SourceKind | 'default'> = {};
  for (const setting of program.settings) {
    const found = sources.map((source) => source.found.get(setting.name)).find((one) => one !== undefined);
    origins[setting.name] = found?.source ?? 'default';
    const value = found === undefined ? defaultOf(setting, problems) : valueOf(found, readFile, problems);
    if (value !== undefined) settings[setting.name] = value;
  }
  if (problems.length === 0) problems.push(...contradictions(program.settings, settings));
  if (problems.length > 0) throw new ConfigError(problems);
  deepFreeze(settings);
  if (commandLine.checkOnly) {
    program.check?.(settings, environment);
    return { kind: 'print', text: listValues(program, settings, origins) };
  }
  return { kind: 'run', settings, origins, warnings: commandLine.warnings };
}

function defaultOf(setting: Setting, problems: ConfigProblem[]): unknown {
  if (setting.required) {
    const ways = [
      setting.argument ?? setting.flag ?? setting.fileFlag,
      setting.variable,
      `the file's ${setting.name}`,
    ];
    const message = `${setting.name} is missing: give ${ways.filter((way) => way !== null).join(', or ')} (${describeType(setting)})`;
    problems.push({ code: setting.argument === null ? 'CONFIG_REQUIRED' : 'CONFIG_USAGE', message });
    return undefined;
  }
  return structuredClone(setting.default);
}

/** Numbers that are right alone and not together. */
function contradictions(
  all: readonly Setting[],
  settings: Readonly<Record<string, unknown>>,
): ConfigProblem[] {
  return all.flatMap(({ name, notBelow }) => {
    if (notBelow === null || Number(settings[name]) >= Number(settings[notBelow])) return [];
    const message = `${name}, ${String(settings[name])}, is below ${notBelow}, ${String(settings[notBelow])}`;
    return [{ code: 'CONFIG_INVALID', message }];
  });
}

function valueOf(found: Found, readFile: ReadFile | undefined, problems: ConfigProblem[]): unknown {
  const { setting } = found;
  const value = found.isSecretFile ? readSecret(found, readFile, problems) : found.value;
  if (value === undefined) return undefined;
  if (!Value.Check(setting.schema, value)) {
    const code = found.source === 'flag' ? 'CONFIG_USAGE' : 'CONFIG_INVALID';
    problems.push({ code, message: describeMisfit(found, value) });
    return undefined;
  }
  return wrapSecrets(setting.schema, value, found.isSecretFile ? String(found.value) : null);
}

function readSecret(
  found: Found,
  readFile: ReadFile | undefined,
  problems: ConfigProblem[],
): string | undefined {
  try {
    return readSecretFile(String(found.value), readFile);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    problems.push({
      code: 'CONFIG_FILE',
      message: `${found.origin}: the file ${String(found.value)} cannot be used: ${why}`,
    });
    return undefined;
  }
}

function describeMisfit(found: Found, value: unknown): string {
  const { setting } = found;
  const [error] = Value.Errors(setting.schema, value);
  if (error?.keyword === '~refine') return `${found.origin}: ${error.message}`;
  if (setting.kind === 'structure' && !setting.secret) {
    return `${found.origin}${(error?.instancePath ?? '').replaceAll('/', '.')} ${misfitText(error?.message)}`;
  }
  const shown =
    setting.secret || typeof value === 'object' ? '' : ` (it is ${JSON.stringify(value).slice(0, 80)})`;
  return `${found.origin} must be ${describeType(setting)}${shown}`;
}

/** TypeBox says "schema is false" of a key that a closed object does not have. */
function misfitText(text: string | undefined): string {
  return text === undefined || text === 'schema is false' ? 'is not a known key' : text;
}

type Walked = TSchema & {
  secret?: boolean;
  properties?: Record<string, Walked>;
  patternProperties?: Record<string, Walked>;
  items?: Walked;
};

function wrapSecrets(schema: Walked, value: unknown, file: string | null): unknown {
  if (schema.secret === true && typeof value === 'string') return new Secret(value, file);
  if (Array.isArray(value))
    return value.map((item) => (schema.items === undefined ? item : wrapSecrets(schema.items, item, null)));
  if (typeof value !== 'object' || value === null) return value;
  const [others] = Object.values(schema.patternProperties ?? {});
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const part = schema.properties?.[key] ?? others;
      return [key, part === undefined ? item : wrapSecrets(part, item, null)];
    }),
  );
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
}

function listValues(
  program: CommandLineProgram,
  settings: Readonly<Record<string, unknown>>,
  origins: Origins,
): string {
  const lines = program.settings.map(
    ({ name }) => `${name}: ${JSON.stringify(settings[name] ?? null)}  # ${origins[name] ?? 'default'}`,
  );
  return `${lines.join('\n')}\n`;
}
