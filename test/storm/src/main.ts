/** `pnpm storm`: as many tunnels as asked for come back at once after their node's restart. */
import { ownArguments } from '@postern/scripts/arguments';
import { Command, InvalidArgumentError } from 'commander';
import { describeStorm, faultsOf, runStorm } from './storm.ts';

await new Command('storm')
  .description(
    'Holds tunnels, kills their node and starts it again: how long until all are back, who noticed, and the memory.',
  )
  .option('--tunnels <N>', 'how many', whole, 10_000)
  .option('--processes <N>', 'processes that hold them', whole, 2)
  .action(main)
  .parseAsync(ownArguments(), { from: 'user' });

async function main(options: { tunnels: number; processes: number }): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const result = await runStorm({ ...options, onLine: say });
  say(describeStorm(result));
  const faults = faultsOf(result);
  for (const fault of faults) say(`✖ ${fault}`);
  say(faults.length === 0 ? 'passed' : 'FAILED');
  process.exit(faults.length === 0 ? 0 : 1);
}

function whole(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('must be a whole number above 0.');
}
