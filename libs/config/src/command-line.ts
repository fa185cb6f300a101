/**
 * argv as a source, and the help that is made of the same settings. commander parses; every flag given is noted in the
 * order of argv, so that of a flag and its alias the last one counts, and lists grow.
 */
import { Command, CommanderError, Option } from 'commander';
import type { Environment } from './environment.ts';
import { ConfigError } from './errors.ts';
import { type SourceResult, FoundValues } from './found.ts';
import { suggestNearest } from './nearest.ts';
import type { Setting } from './setting.ts';
import { readTexts } from './value.ts';

/** What the command line needs to know of a program. */
export interface CommandLineProgram {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly settings: readonly Setting[];
  readonly configVariable: string;
  /** Text after the generated help, e.g. examples. */
  readonly epilogue?: string;
  /** What `--check-config` asks beyond the schema; throws what a start would. */
  readonly check?:
    | ((settings: Readonly<Record<string, unknown>>, environment: Environment) => void)
    | undefined;
}

/** What argv asked for: text to print and no more (`--help`, `--version`), or values. */
export type CommandLine =
  | { kind: 'print'; text: string }
  | {
      kind: 'values';
      values: SourceResult;
      configFile: string | null;
      checkOnly: boolean;
      warnings: string[];
    };

type Given = { setting: Setting; meaning: 'value' | 'false' | 'secretFile'; flag: string; text: string };

/** Reads argv; a bad one throws ConfigError CONFIG_USAGE. A leading `--`, which package managers pass on, is dropped. */
export function readCommandLine(program: CommandLineProgram, argv: readonly string[]): CommandLine {
  const given: Given[] = [];
  let printed = '';
  const command = buildCommand(program, (one) => given.push(one));
  command.exitOverride().configureOutput({ writeOut: (text) => (printed += text), writeErr: () => {} });
  try {
    command.parse([...(argv[0] === '--' ? argv.slice(1) : argv)], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'print', text: printed };
    // Without a cause: commander's words for these carry what was given, perhaps a secret.
    if (error.code === 'commander.unknownOption') throw usageError(unknownFlag(program, error.message));
    if (error.code === 'commander.excessArguments')
      throw usageError(error.message.replace(/^error: (.* but got \d+):.*$/s, '$1'));
    throw usageError(error.message.replace(/^error: /, ''), { cause: error });
  }
  const { config, checkConfig } = command.opts<{ config?: string; checkConfig?: boolean }>();
  return {
    kind: 'values',
    values: collectValues(program, given, command.args),
    configFile: config ?? null,
    checkOnly: checkConfig === true,
    warnings: warningsOf(given),
  };
}

/** The text of `--help`, at a fixed width so that docs are the same everywhere. */
export function helpText(program: CommandLineProgram): string {
  const command = buildCommand(program, () => {});
  return (
    command
      .configureHelp({ helpWidth: 100 })
      .configureOutput({ getOutHasColors: () => false })
      .helpInformation() + afterHelp(program)
  );
}

function usageError(message: string, options?: ErrorOptions): ConfigError {
  return Object.assign(
    new ConfigError([{ code: 'CONFIG_USAGE', message: message.replaceAll('\n', ' ') }]),
    options,
  );
}

function unknownFlag({ settings }: CommandLineProgram, message: string): string {
  const [, given = ''] = /'(--[^='\s]*|-.)/.exec(message) ?? [];
  const fileFlag = settings.find((one) => one.fileFlag === `${given}-file`)?.fileFlag;
  const visible = settings.filter((one) => !one.hidden);
  const known = visible.flatMap((one) => [one.flag, one.fileFlag]).filter((flag) => flag !== null);
  const suggestion =
    typeof fileFlag === 'string' ? `; did you mean ${fileFlag}?` : suggestNearest(given, known);
  return `unknown option '${given}'${suggestion}`;
}

function buildCommand(program: CommandLineProgram, onGiven: (given: Given) => void): Command {
  const command = new Command(program.name)
    .description(program.description)
    .helpOption('-h, --help', 'show this help')
    .version(program.version, '--version', 'show the version')
    .option('--config <FILE>', `a YAML file of settings (${program.configVariable})`)
    .option('--check-config', 'check all settings, print them and exit')
    .allowExcessArguments(false)
    .showHelpAfterError(false);
  for (const setting of program.settings) {
    if (setting.argument !== null) addArgument(command, setting);
    addFlags(command, setting, onGiven);
  }
  command.usage(['[options]', ...program.settings.flatMap((setting) => setting.argument ?? [])].join(' '));
  command.addHelpText('after', afterHelp(program));
  return command;
}

/** Always optional for commander: the environment or the file may say it, and a lack is told with all sources named. */
function addArgument(command: Command, setting: Setting): void {
  command.argument(`[${(setting.argument ?? '').slice(1, -1)}]`, helpDescription(setting));
}

function addFlags(command: Command, setting: Setting, onGiven: (given: Given) => void): void {
  const add = (flags: string, flag: string, meaning: Given['meaning'], hidden: boolean): void => {
    const takesText = meaning === 'secretFile' || (meaning === 'value' && setting.kind !== 'boolean');
    const placeholder = meaning === 'secretFile' ? 'FILE' : setting.placeholder;
    const option = new Option(takesText ? `${flags} <${placeholder}>` : flags, helpDescription(setting));
    command.addOption(hidden ? option.hideHelp() : option);
    command.on(`option:${option.name()}`, (text: string | null) =>
      onGiven({ setting, meaning, flag, text: text ?? '' }),
    );
  };
  if (setting.flag !== null) {
    add(
      setting.short === null ? setting.flag : `${setting.short}, ${setting.flag}`,
      setting.flag,
      'value',
      setting.hidden,
    );
    if (setting.kind === 'boolean')
      add(
        `--no-${setting.flag.slice(2)}`,
        `--no-${setting.flag.slice(2)}`,
        'false',
        setting.default !== true || setting.hidden,
      );
  }
  if (setting.fileFlag !== null) add(setting.fileFlag, setting.fileFlag, 'secretFile', setting.hidden);
  for (const alias of [...setting.aliases, ...setting.warnedFlags]) add(alias, alias, 'value', true);
  for (const negation of setting.negations) add(negation, negation, 'false', true);
}

function collectValues(
  program: CommandLineProgram,
  given: readonly Given[],
  args: readonly string[],
): SourceResult {
  const values = new FoundValues();
  const texts = new Map<string, string[]>();
  for (const { setting, meaning, flag, text } of given) {
    if (meaning === 'secretFile') {
      values.add({ setting, value: text, isSecretFile: true, origin: flag, source: 'flag' });
      continue;
    }
    const all = texts.get(setting.name) ?? [];
    all.push(meaning === 'false' ? 'false' : setting.kind === 'boolean' ? 'true' : text);
    texts.set(setting.name, all);
    values.add({
      setting,
      value: readTexts(setting, all),
      isSecretFile: false,
      origin: flag,
      source: 'flag',
    });
  }
  let rest = [...args];
  for (const setting of program.settings) {
    if (setting.argument === null || rest.length === 0) continue;
    const own = setting.kind === 'list' ? rest : rest.slice(0, 1);
    rest = rest.slice(own.length);
    values.add({
      setting,
      value: readTexts(setting, own),
      isSecretFile: false,
      origin: setting.argument,
      source: 'flag',
    });
  }
  return values.result();
}

/** One for each setting: commander tells of `-t` also where `--t` is meant, and the other way round. */
function warningsOf(given: readonly Given[]): string[] {
  const warned = new Map(
    given.filter(({ setting, flag }) => setting.warnedFlags.includes(flag)).map((one) => [one.setting, one]),
  );
  return [...warned.values()].map(
    ({ setting, flag }) =>
      `${flag} shows its secret to everyone who may list processes; use ${setting.fileFlag} or ${setting.variable} instead`,
  );
}

function helpDescription(setting: Setting): string {
  const notes = [
    ...(setting.kind === 'choice' ? [setting.choices.join(', ')] : []),
    ...(setting.secret || setting.default === undefined || isEmpty(setting.default)
      ? []
      : [`default ${defaultText(setting.default)}`]),
    ...(setting.variable === null ? [] : [setting.variable]),
  ];
  return notes.length === 0 ? setting.description : `${setting.description} (${notes.join('; ')})`;
}

function isEmpty(value: unknown): boolean {
  return value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);
}

function defaultText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function afterHelp(program: CommandLineProgram): string {
  const lines = ['', 'Settings are taken from flags, then the environment, then the file, then defaults.'];
  const flagless = program.settings.filter(
    (one) => one.flag === null && one.argument === null && !one.hidden,
  );
  const names = flagless.flatMap((one) =>
    one.variable === null ? [] : [`${one.variable}${one.secret ? `, ${one.fileVariable}` : ''}`],
  );
  if (names.length > 0) lines.push(`By environment or file only: ${names.join('; ')}.`);
  const fileOnly = flagless.filter((one) => one.variable === null).map((one) => one.name);
  if (fileOnly.length > 0) lines.push(`By file only: ${fileOnly.join(', ')}.`);
  if (program.epilogue !== undefined) lines.push('', program.epilogue.trimEnd());
  return `${lines.join('\n')}\n`;
}
