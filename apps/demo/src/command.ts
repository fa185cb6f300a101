/** The arguments of `demo`. Building the command does nothing else, so that docs can be generated of it. */
import { parseHostPort } from '@postern/cli';
import { Command, InvalidArgumentError } from 'commander';
import { type Exposed, addressOf, nameOf } from './exposed.ts';

/** What was asked for. */
export interface DemoOptions {
  /** The user's own resources; the sample application when there are none. */
  readonly expose: readonly Exposed[];
  readonly once: boolean;
  /** Null: a temporary folder that goes with the demo. */
  readonly state: string | null;
}

const exposedMax = 100;

/** The command line. */
export const command = new Command('demo')
  .description(
    'Starts the platform, a client and a private resource on this machine, and carries requests through.',
  )
  .option(
    '--expose <HOST:PORT>',
    'a resource of your own in place of the sample application; may repeat',
    collect,
    [],
  )
  .option('--once', 'check what comes through, print a table and end', false)
  .option('--state <DIR>', 'keep everything in this folder; a temporary one unless given')
  .exitOverride();

/** Reads the arguments; throws commander's errors. */
export function readOptions(argv: readonly string[]): DemoOptions {
  const own = argv[0] === '--' ? argv.slice(1) : argv;
  command.parse([...own], { from: 'user' });
  const { expose, once, state = null } = command.opts<Omit<DemoOptions, 'state'> & { state?: string }>();
  return { expose, once, state };
}

/** A port alone is one of this machine. */
function collect(text: string, former: readonly Exposed[]): Exposed[] {
  if (former.length === exposedMax) throw new InvalidArgumentError(`at most ${exposedMax} resources.`);
  const exposed = readExposed(text);
  // Their destinations would have one name, and the next start could not tell them apart.
  if (former.some((other) => nameOf(other) === nameOf(exposed)))
    throw new InvalidArgumentError(`${addressOf(exposed)} is named twice.`);
  return [...former, exposed];
}

function readExposed(text: string): Exposed {
  try {
    return parseHostPort(/^\d+$/.test(text) ? `localhost:${text}` : text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}
