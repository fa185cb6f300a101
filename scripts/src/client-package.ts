/**
 * `pnpm client:package`: the client for machines without this tree, as an npm package and as single executables. They go
 * to `dist/client`, which git ignores, unless a folder is given.
 */
import { stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { ownArguments } from './arguments.ts';
import { type Bundle, bundleClient } from './package/bundle.ts';
import { type ExecutableTarget, executableTargets, makeExecutable } from './package/executable.ts';
import { packNpm } from './package/npm-package.ts';
import { rootFolder } from './root.ts';

const kinds = ['npm', ...executableTargets] as const;
type Kind = (typeof kinds)[number];

await new Command('client:package')
  .description('Packs the client: for npm (installed or run by npx), and as one executable with Node inside.')
  .addArgument(new Argument('[kind...]', 'only these').choices(kinds))
  .option('--output <FOLDER>', 'where to', join(rootFolder, 'dist', 'client'))
  .action(main)
  .parseAsync(ownArguments(), { from: 'user' });

async function main(given: Kind[], { output }: { output: string }): Promise<void> {
  const folder = resolve(output);
  const wanted = given.length === 0 ? kinds : kinds.filter((kind) => given.includes(kind));
  try {
    const bundle = await step('bundle', async () => {
      const made = await bundleClient();
      return { made, words: `${megabytes(made.code.length)} of JavaScript` };
    });
    for (const kind of wanted) {
      await step(kind, async () => {
        const file = await make(kind, bundle, folder);
        const { size } = await stat(file);
        return { made: file, words: `${relative(process.cwd(), file)}, ${megabytes(size)}` };
      });
    }
  } catch (error) {
    process.stdout.write('FAILED\n');
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 70;
  }
}

function make(kind: Kind, bundle: Bundle, folder: string): Promise<string> {
  return kind === 'npm'
    ? packNpm(bundle, folder)
    : makeExecutable(bundle, kind satisfies ExecutableTarget, folder);
}

async function step<T>(name: string, work: () => Promise<{ made: T; words: string }>): Promise<T> {
  process.stdout.write(`${name.padEnd(12)} `);
  const { made, words } = await work();
  process.stdout.write(`${words}\n`);
  return made;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
