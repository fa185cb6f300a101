/**
 * `pnpm service:install [NAME…]`: fetches what tests and bench need, once, into a cache outside the tree
 * (`$POSTERN_CACHE`, or `postern/tools` in the user's cache folder), and Debian's packages by apt-get.
 * Running it again is cheap and changes nothing. The product itself needs none of this.
 */
import { Command } from 'commander';
import { ownArguments } from './arguments.ts';
import { cacheFolder } from './install/cache.ts';
import { install, installerNames, onRequestNames, type Outcome } from './install/installer.ts';

const nameWidth = 18;
const marks = {
  present: 'already there',
  installed: 'installed',
  'left out': 'left out',
  failed: 'FAILED',
} as const;

await new Command('service:install')
  .description('Fetches the servers and programs that tests and bench need, into a cache outside the tree.')
  .argument(
    '[name...]',
    `only these: ${installerNames.join(', ')} (${onRequestNames.join(', ')} only when they are named)`,
  )
  .action(run)
  .parseAsync(ownArguments(), { from: 'user' });

async function run(names: string[]): Promise<void> {
  process.stdout.write(`tools go to ${cacheFolder()}\n`);
  try {
    const outcomes = await install(names, {
      onStart: showStart,
      onProgress: showProgress,
      onOutcome: showOutcome,
    });
    if (outcomes.some((outcome) => outcome.state === 'failed')) process.exitCode = 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 64;
  }
}

function showStart(name: string): void {
  process.stdout.write(`${name.padEnd(nameWidth)} `);
}

function showProgress(what: string): void {
  process.stdout.write(`${what}\n${' '.repeat(nameWidth + 1)}`);
}

function showOutcome({ state, detail }: Outcome): void {
  process.stdout.write(`${marks[state].padEnd(14)} ${detail}\n`);
}
