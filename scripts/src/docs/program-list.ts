/**
 * Finds every program of the tree by its `config.ts` or `program.ts` (`command.ts` for a command line with subcommands), so
 * that docs and the list of known variables can forget none. Importing these files must do nothing but define programs.
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Program } from '@postern/config';
import type { Command } from 'commander';

/** A program whose settings come from a schema. */
export type SettingsProgram = Program<unknown>;

/** What the tree's programs offer. */
export interface ProgramList {
  readonly programs: readonly SettingsProgram[];
  /** Command lines with subcommands. */
  readonly commands: readonly Command[];
}

const places = [
  'services/*/src/{program,config,command}.ts',
  'apps/*/src/{program,config,command}.ts',
  'test/cluster/src/{program,config,command}.ts',
];

/** All programs, by name. */
export async function listPrograms(root: string): Promise<ProgramList> {
  const files = places.flatMap((place) => globSync(place, { cwd: root })).toSorted();
  const modules = await Promise.all(
    files.map((file) => import(pathToFileURL(join(root, file)).href) as Promise<Record<string, unknown>>),
  );
  const exported = new Set(modules.flatMap((module) => Object.values(module)));
  return {
    programs: [...exported].filter(isProgram).toSorted(byName),
    commands: [...exported]
      .filter(isCommand)
      .toSorted((one, other) => one.name().localeCompare(other.name())),
  };
}

function byName(one: SettingsProgram, other: SettingsProgram): number {
  return one.name.localeCompare(other.name);
}

function isProgram(value: unknown): value is SettingsProgram {
  return (
    typeof value === 'object' &&
    value !== null &&
    'settings' in value &&
    'variables' in value &&
    'resolve' in value
  );
}

function isCommand(value: unknown): value is Command {
  return typeof value === 'object' && value !== null && 'helpInformation' in value && 'commands' in value;
}
