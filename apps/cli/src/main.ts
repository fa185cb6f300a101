/** The program `postern`. */
import { CommanderError } from 'commander';
import { run } from './command.ts';
import { ExitCode } from '@postern/config';
import { describeError, exitCodeOf } from './errors.ts';

// `pnpm postern -- …` passes the two dashes on.
const given = process.argv.slice(2);
const own = given[0] === '--' ? given.slice(1) : given;

// `postern … | head`: who reads has had enough; or the disk is full. What was to be written may be shown only once (a token),
// so this does not end with 0.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exitCode = ExitCode.unavailable;
  if (error.code === 'EPIPE') return;
  process.stderr.write(`postern: what was done could not be written out: ${error.message}\n`);
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
