/**
 * The settings of `postern`: which platform it asks, and how it answers. They come as those of every program do, from
 * flags, then the environment, then a file; its flags may stand before and behind the subcommand, so commander reads
 * them and hands them on.
 */
import { defineProgram } from '@postern/config';
import { type Static, Type } from 'typebox';
import { readContext } from './context.ts';

const schema = Type.Object({
  operatorFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_OPERATOR',
      short: '-o',
      placeholder: 'FILE',
      description: 'The platform: operator.json or cluster.json.',
    }),
  ),
  url: Type.Optional(
    Type.String({ placeholder: 'URL', description: 'The address of the admin API, in place of a file.' }),
  ),
  keyFile: Type.Optional(
    Type.String({ placeholder: 'FILE', description: 'The file that holds the API key.' }),
  ),
  ca: Type.Optional(
    Type.String({ placeholder: 'FILE', description: 'The CA to believe in place of the usual ones (PEM).' }),
  ),
  json: Type.Boolean({ default: false, description: 'Whether JSON is written, as the API answers.' }),
});

/** The settings, read and checked. */
export type CliSettings = Readonly<Static<typeof schema>>;

/** The program `postern`, as far as its settings go. */
export const program = defineProgram({
  name: 'postern',
  description: 'The command line for operators: asks the admin API of a platform.',
  environmentPrefix: 'CLI',
  schema,
  check: (settings) => void readContext(settings),
});

/** Flags as commander has read them, by their names in camelCase. */
export type GivenFlags = Readonly<Record<string, string | boolean | undefined>>;

/** What is to be printed for `--check-config`, or the settings. Throws ConfigError, and CliError where that finds no platform. */
export function resolveFlags(
  flags: GivenFlags,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ReturnType<typeof program.resolve> {
  const argv = Object.entries(flags).flatMap(([name, value]) => {
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (typeof value === 'string') return [`${flag}=${value}`];
    return value === true ? [flag] : [];
  });
  return program.resolve(argv, environment);
}
