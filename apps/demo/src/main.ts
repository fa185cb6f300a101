/** The README's first command: `npx --yes pnpm@12 demo`. */
import { CommanderError } from 'commander';
import { type DemoOptions, readOptions } from './command.ts';
import { runDemo } from './demo.ts';
import { DemoError } from './errors.ts';
import { showFailure } from './screen.ts';

const options = optionsOrExit();
const asked = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second one ends at once; what still runs is killed on the way out.
    if (asked.signal.aborted) process.exit(options.once ? 1 : 0);
    asked.abort(new DemoError('DEMO_CHECK_FAILED', `${signal} came before all was tried`));
  });
}
// Whoever read along has gone; the demo goes on until it is ended.
process.stdout.on('error', () => undefined);

try {
  await runDemo(options, asked.signal);
} catch (error) {
  // To be asked to stop is how a demo ends; of `--once` 0 would say that all came back unchanged.
  if (!asked.signal.aborted || options.once) {
    const why: unknown = asked.signal.aborted ? asked.signal.reason : error;
    showFailure(why instanceof DemoError ? `${why.code}: ${why.message}` : textOf(why));
    process.exitCode = 1;
  }
}
process.exit();

function optionsOrExit(): DemoOptions {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 64);
    throw error;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
