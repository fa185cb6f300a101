/**
 * `pnpm chaos`: random faults for as long as one likes, or until Ctrl-C; then a verdict. The seed is printed, so that a run
 * can be repeated.
 */
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownArguments } from '@postern/scripts/arguments';
import { Command, InvalidArgumentError } from 'commander';
import { type ChaosOptions, describeVerdict, runChaos } from './chaos.ts';

await new Command('chaos')
  .description(
    'Cuts, freezes and kills parts of a cluster at random while traffic runs, and checks every byte.',
  )
  .option('--minutes <N>', 'how long', positive, 5)
  .option('--workers <N>', 'processes of each node', whole, 1)
  .option('--seed <S>', 'repeats the faults of another run', positive, randomInt(1, 2 ** 31))
  .action(main)
  .parseAsync(ownArguments(), { from: 'user' });

async function main({
  minutes,
  workers,
  seed,
}: Pick<ChaosOptions, 'workers' | 'seed'> & { minutes: number }): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`seed ${seed}, ${minutes} minutes, workers of each node: ${workers}`);
  const stop = new AbortController();
  // A second one ends it at once.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const logs = join(tmpdir(), `postern-chaos-${seed}`);
  const verdict = await runChaos({
    seconds: minutes * 60,
    workers,
    seed,
    onLine: say,
    stop: stop.signal,
    logs,
  });
  say(`${describeVerdict(verdict)} (seed ${seed})`);
  process.exit(verdict.ok ? 0 : 1);
}

function whole(text: string): number {
  if (Number.isInteger(positive(text))) return Number(text);
  throw new InvalidArgumentError('must be a whole number above 0.');
}

function positive(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw new InvalidArgumentError('must be a number above 0.');
}
