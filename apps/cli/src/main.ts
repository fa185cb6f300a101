/** The program `postern`. */
import { CommanderError } from 'commander';
import { run } from './command.ts';
import { ExitCode } from '@postern/config';
import { describeError, exitCodeOf } from './errors.ts';

// `pnpm postern -- …` passes the two dashes on.
const given = process.argv.slice(2);
const own = given[0] === '--' ? given.slice(1) : given;

// `postern … | head`: who reads has had enough. It may not have all that it was to have (a token, a backup), so not 0.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exitCode = ExitCode.unavailable;
});

try {
  await run(own);
} catch (error) {
  // Commander has said already what was wrong, or shown its help or version.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  } else {
    process.stderr.write(`postern: ${describeError(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
