/** `pnpm model`: checks the models of RESUME, presence and windows, and that each known mistake is found. */
import { ownArguments } from '@postern/scripts/arguments';
import { Command } from 'commander';
import { type Run, check } from './check.ts';
import { brokenRuns, deepRuns, rightRuns } from './runs.ts';

await new Command('model')
  .description(
    'Has spin look at every order of events in the models of RESUME, presence and windows. `pnpm service:install` fetches spin and a C compiler.',
  )
  .option('--deep', 'also with more trouble: minutes, and up to 6 GB')
  .action(main)
  .parseAsync(ownArguments(), { from: 'user' });

async function main({ deep = false }: { deep?: boolean }): Promise<void> {
  let wrong = 0;
  for (const run of deep ? [...rightRuns, ...deepRuns] : rightRuns) {
    const { states, error, steps, seconds } = await check(run, deepRuns.includes(run));
    if (error !== null) wrong += 1;
    say(
      run,
      error === null ? `holds in ${states} states (${seconds.toFixed(0)} s)` : `FAILS: ${error}\n${steps}`,
    );
  }
  for (const run of brokenRuns) {
    const { error } = await check(run);
    if (error === null) wrong += 1;
    say(run, error === null ? `NOT FOUND: it ${run.mistake}` : `found: it ${run.mistake}`);
  }
  process.exitCode = wrong === 0 ? 0 : 1;
}

function say({ model, bounds }: Run, outcome: string): void {
  const trouble = Object.entries(bounds).map(([name, value]) => `${name.toLowerCase()} ${value}`);
  process.stdout.write(`${model.padEnd(9)} ${trouble.join(', ').padEnd(44)} ${outcome}\n`);
}
