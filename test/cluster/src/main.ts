/** `pnpm cluster`: the whole platform as separate processes, for development and tests. */
import { resolve } from 'node:path';
import { ownArguments } from '@postern/scripts/arguments';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { command } from './command/control.ts';
import { type RunOptions, runCluster } from './command/run.ts';
import { natsMax, nodesMax, workersMax } from './platform/layout.ts';

const program = new Command('cluster')
  .description(
    'Boots the whole platform as separate processes with real NATS and MongoDB-wire servers. When all is ready it ' +
      'has written DIR/cluster.json and writes one line `ready`. `pnpm service:install` fetches the servers, once.',
  )
  .option('--state <DIR>', 'the folder that keeps everything')
  .option('--nodes <N>', 'edge nodes', within(1, nodesMax), 2)
  .option('--nats <N>', 'NATS servers', within(1, natsMax), 1)
  .option('--workers <N>', 'processes of each node, edge-1.1 and so on', within(1, workersMax), 1)
  .option('--net <A.B.C>', 'the loopback net: node N listens on A.B.C.N', '127.0.1')
  .enablePositionalOptions()
  .exitOverride()
  .action((options: RunOptions) => runCluster({ ...options, state: stateOf(options) }));

program
  .command('restart <NAME>')
  .description('starts a part again that died or was killed; its pid in the file changes')
  .option('--state <DIR>', 'the folder of the running cluster')
  .exitOverride()
  .action((name: string, options: { state: string }) =>
    command(stateOf(options), `/restart?name=${encodeURIComponent(name)}`),
  );

program
  .command('stop')
  .description('ends everything')
  .option('--state <DIR>', 'the folder of the running cluster')
  .exitOverride()
  .action((options: { state: string }) => command(stateOf(options), '/stop'));

try {
  await program.parseAsync(ownArguments(), { from: 'user' });
  process.exit(0);
} catch (error) {
  // Commander has said already what was wrong with the arguments, or shown its help.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 64);
  process.stderr.write(`cluster: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

/** `--state` is taken before and after the command's name. */
function stateOf(options: { state?: string }): string {
  const state = options.state ?? program.opts<{ state?: string }>().state;
  if (state === undefined) return program.error('error: --state DIR is needed');
  return resolve(state);
}

function within(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= minimum && number <= maximum) return number;
    throw new InvalidArgumentError(`must be a whole number from ${minimum} to ${maximum}.`);
  };
}
