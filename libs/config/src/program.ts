/**
 * A program's settings from one schema. `parse` is what a `main.ts` calls: it prints and ends the process for `--help`,
 * `--version`, `--check-config` and whatever is wrong; `resolve` does the same without touching the process.
 */
import process from 'node:process';
import type { Static, TObject } from 'typebox';
import manifest from '../package.json' with { type: 'json' };
import type { ReadFile } from './bounded-file.ts';
import { type CommandLineProgram, helpText } from './command-line.ts';
import { type Environment, variablesOf } from './environment.ts';
import { ConfigError } from './errors.ts';
import { ExitCode } from './exit-code.ts';
import { type Resolution, resolveSettings } from './resolve.ts';
import { type Setting, listSettings } from './setting.ts';

/** What makes a program. */
export interface ProgramDefinition<Schema extends TObject> {
  /** As in help and messages: `postern-edge`. */
  name: string;
  /** One sentence for help and docs. */
  description: string;
  /** The part of its variables after `POSTERN_`: `EDGE`. */
  environmentPrefix: string;
  schema: Schema;
  /** What a start would refuse beyond the schema; throws as it does. Called by `--check-config` alone. */
  check?: (settings: Readonly<Static<Schema>>, environment: Environment) => void;
  /** Shown after the generated help. */
  epilogue?: string;
}

/** A program whose settings can be read, checked and described. */
export interface Program<Settings> {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly settings: readonly Setting[];
  /** Every variable that it reads. */
  readonly variables: readonly string[];
  /** The text of `--help`. */
  readonly help: string;
  /** The frozen settings; ends the process where there is nothing to run. */
  parse(argv?: readonly string[], environment?: Environment): Readonly<Settings>;
  /** The same without printing and exiting; throws ConfigError. */
  resolve(argv: readonly string[], environment: Environment, readFile?: ReadFile): Resolution<Settings>;
}

/** Makes a program of its schema. A schema with two settings of one name, or one without description, is a bug and throws. */
export function defineProgram<Schema extends TObject>(
  definition: ProgramDefinition<Schema>,
): Program<Static<Schema>> {
  const { name, description, environmentPrefix, check, epilogue } = definition;
  const { version } = manifest;
  const settings = listSettings(definition.schema, environmentPrefix);
  const configVariable = `POSTERN_${environmentPrefix}_CONFIG`;
  const commandLine: CommandLineProgram = {
    name,
    description,
    version,
    settings,
    configVariable,
    ...(epilogue === undefined ? {} : { epilogue }),
    ...(check === undefined ? {} : { check: check as CommandLineProgram['check'] }),
  };
  const resolve: Program<Static<Schema>>['resolve'] = (argv, environment, readFile) =>
    resolveSettings(commandLine, argv, environment, readFile) as Resolution<Static<Schema>>;
  return {
    name,
    description,
    version,
    settings,
    variables: variablesOf(settings, configVariable),
    get help() {
      return helpText(commandLine);
    },
    resolve,
    parse: (argv = process.argv.slice(2), environment = process.env) =>
      endOrRun(name, () => resolve(argv, environment)),
  };
}

function endOrRun<Settings>(name: string, resolve: () => Resolution<Settings>): Readonly<Settings> {
  try {
    const resolution = resolve();
    if (resolution.kind === 'run') {
      for (const warning of resolution.warnings) process.stderr.write(warningLine(name, warning));
      return resolution.settings;
    }
    process.stdout.write(resolution.text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { code, message } of error.problems) process.stderr.write(`${name}: ${code}: ${message}\n`);
    if (error.exitCode === ExitCode.usage) process.stderr.write(`${name} --help lists what there is\n`);
    process.exit(error.exitCode);
  }
  process.exit(ExitCode.ok);
}

/** A log line like those that follow it: JSON where a machine reads, plain where a person does. */
function warningLine(name: string, message: string): string {
  if (process.stderr.isTTY) return `${name}: ${message}\n`;
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), name, subsystem: 'config', msg: message })}\n`;
}
