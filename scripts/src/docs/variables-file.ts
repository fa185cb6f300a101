/** libs/config's list of every program's variables, as source. */
import type { ProgramList } from './program-list.ts';

/** Variables of the tree's own scripts and command lines, which a program may see in its environment. */
const scriptVariables = ['POSTERN_CACHE', 'POSTERN_OPERATOR', 'POSTERN_PASSPHRASE'];

/** The text of `known-variables.ts`. */
export function variablesFile({ programs }: ProgramList): string {
  const names = new Set([...scriptVariables, ...programs.flatMap((program) => program.variables)]);
  const lines = [...names].toSorted().map((name) => `  '${name}',`);
  return `/**
 * Every environment variable that some Postern program reads, so that one program does not call another's variable
 * misspelt. Written by \`pnpm run docs\` from the programs' schemas; a test compares both.
 */
export const knownVariables: readonly string[] = [
${lines.join('\n')}
];
`;
}
