/**
 * `pnpm run docs`: writes what is generated from the programs' schemas: docs/CONFIG.md, docs/CLI.md and libs/config's list of
 * known variables. `--check` writes nothing and fails when one of them is not up to date.
 */
import { Command } from 'commander';
import { ownArguments } from './arguments.ts';
import { generateOutputs } from './docs/index.ts';
import { settleOutputs } from './docs/output.ts';
import { rootFolder } from './root.ts';

await new Command('docs')
  .description('Writes the pages that are generated from the programs’ schemas.')
  .option('--check', 'write nothing; fail when a page is not up to date')
  .action(main)
  .parseAsync(ownArguments(), { from: 'user' });

async function main({ check = false }: { check?: boolean }): Promise<void> {
  const stale = settleOutputs(rootFolder, await generateOutputs(rootFolder), check);
  for (const path of stale)
    process.stdout.write(`${path} ${check ? 'is not up to date: run pnpm run docs' : 'written'}\n`);
  if (stale.length === 0) process.stdout.write('all generated pages are up to date\n');
  if (check && stale.length > 0) process.exitCode = 1;
}
