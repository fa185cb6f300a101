/**
 * `postern`, the operator's command line: subcommands made of the table of nouns, and the few that are no collection.
 * Building it does nothing else, so that docs can be generated of it.
 */
import { fstatSync, statSync } from 'node:fs';
import { devNull } from 'node:os';
import { Command, Option } from 'commander';
import { Type } from 'typebox';
import manifest from '../package.json' with { type: 'json' };
import { accessListCommands } from './access-list-command.ts';
import { createApi, shaped, type Api } from './api.ts';
import { backupCommands } from './backup/command.ts';
import { addCertificateCommands } from './certificate-command.ts';
import { healthCommand, pingCommand, testCommand } from './check-command.ts';
import { type CliSettings, type GivenFlags, program, resolveFlags } from './config.ts';
import { readContext } from './context.ts';
import { drainNode } from './drain.ts';
import { ExitCode } from '@postern/config';
import { CliError, usageText } from './errors.ts';
import { type Field, type Noun, mergeBodies } from './noun.ts';
import { nouns } from './nouns.ts';
import { fieldsOf, jsonOf, tableOf } from './output.ts';

type Options = Record<string, string | boolean | undefined>;

/** The whole command line; `run` runs it. */
export const command = new Command('postern')
  .description(program.description)
  .version(manifest.version)
  .option('-o, --operator-file <FILE>', 'the platform: operator.json or cluster.json (POSTERN_OPERATOR)')
  .option('--url <URL>', 'the address of the admin API, in place of a file')
  .option('--key-file <FILE>', 'the file that holds the API key')
  .option('--ca <FILE>', 'the CA to believe in place of the usual ones (PEM)')
  .option('--json', 'write JSON, as the API answers')
  .option('--config <FILE>', 'a YAML file of these settings (POSTERN_CLI_CONFIG)')
  .option('--check-config', 'check these settings, print them and exit')
  .showHelpAfterError('postern --help lists what there is')
  .addHelpText(
    'after',
    [
      '',
      'Examples:',
      '  export POSTERN_OPERATOR=DIR/operator.json',
      '  postern gateways create office',
      '  postern tokens create 7kq2nz4twx1 --expires-in-days 30',
      '  postern destinations create 7kq2nz4twx1 orders-db 10.0.0.5:5432',
      "  postern access-list set 7kq2nz4twx1 'allow 10.0.0.5:5432'",
      '',
      'Exit codes: 0 done, 64 bad usage, or refused as wrong, 69 out of reach or degraded, 70 internal error,',
      '77 key or permission refused, 78 no platform given or its file wrong.',
    ].join('\n'),
  )
  .configureOutput({ outputError: (text, write) => write(usageText(text)) })
  .exitOverride();

/** Runs what the arguments say. */
export async function run(argv: readonly string[]): Promise<void> {
  // For its settings no subcommand need be named.
  command.parseOptions([...argv]);
  const { checkConfig } = command.opts<GivenFlags>();
  if (checkConfig === true) settings();
  else await command.parseAsync([...argv], { from: 'user' });
}

for (const noun of nouns) {
  const group = nounCommand(noun).copyInheritedSettings(command);
  if (noun.name === 'destinations')
    group.addCommand(testCommand({ api, print, tell }).copyInheritedSettings(command));
  if (noun.name === 'clients') group.addCommand(pingCommand({ api, print }).copyInheritedSettings(command));
  command.addCommand(group);
}
for (const one of [
  ...accessListCommands({ parent: command, api, print, printOne }),
  healthCommand({ api, print }),
  ...backupCommands({ api, printOne }),
]) {
  command.addCommand(one.copyInheritedSettings(command));
}

function nounCommand(noun: Noun): Command {
  const group = new Command(noun.name).description(noun.summary).copyInheritedSettings(command);
  for (const verb of noun.verbs) group.addCommand(verbCommand(noun, verb));
  if (noun.name === 'certificates') addCertificateCommands(group, { api, printOne });
  if (noun.name === 'nodes') group.addCommand(drainCommand());
  return group;
}

function drainCommand(): Command {
  const one = new Command('drain').copyInheritedSettings(command);
  return one
    .description(
      'empty a node: its clients open tunnels elsewhere, its callers finish; it stays so until it is started again',
    )
    .argument('<node>', 'its name')
    .option('--no-wait', 'do not wait until it is empty')
    .action(async (node: string) => {
      const { wait } = one.opts<{ wait: boolean }>();
      printOne(await drainNode(api(), node, wait, tell));
    });
}

function verbCommand(noun: Noun, verb: Noun['verbs'][number]): Command {
  const { item, within } = noun;
  const one = new Command(verb).copyInheritedSettings(command);
  for (const parent of within) one.argument(`<${parent}>`, `the ${parent}'s ID`);
  switch (verb) {
    case 'list':
      return one.description(`all ${noun.name}`).action(async (...given: unknown[]) => {
        const items = await api().list(noun.path(...pathParts(given, within.length)));
        print(items, tableOf(items, noun.columns));
      });
    case 'show':
      return one
        .description(`one ${item}`)
        .argument(`<${item}>`, 'its ID')
        .action(async (...given: unknown[]) => printOne(await api().call('GET', itemPath(noun, given))));
    case 'create': {
      const places = noun.arguments ?? [];
      for (const { name, description } of places) one.argument(name, description);
      addFields(one.description(`make a ${item}`), noun.create ?? []);
      return one.action(async (...given: unknown[]) => {
        const own = places.map(({ body }, index) => body(String(given[within.length + index])));
        const body = mergeBodies([...own, ...bodies(one, noun.create ?? [])]);
        if (noun.shownOnce === true) demandReader(item);
        const made = await api().call('POST', noun.path(...pathParts(given, within.length)), body);
        if (noun.shownOnce === true) tellIfLost(noun, given.slice(0, within.length), made);
        printOne(made);
      });
    }
    case 'update':
      addFields(one.description(`change a ${item}`).argument(`<${item}>`, 'its ID'), noun.update ?? []);
      return one.action(async (...given: unknown[]) => {
        const body = mergeBodies(bodies(one, noun.update ?? []));
        if (Object.keys(body).length === 0)
          throw new CliError('CLI_ARGUMENT_INVALID', 'nothing is to be changed');
        printOne(await api().call('PATCH', itemPath(noun, given), body));
      });
    case 'delete':
      return one
        .description(noun.name === 'clients' ? 'end a client' : `delete a ${item}`)
        .argument(`<${item}>`, 'its ID')
        .action(async (...given: unknown[]) => void (await api().call('DELETE', itemPath(noun, given))));
  }
}

function addFields(one: Command, fields: readonly Field[]): void {
  for (const { flags, description, repeats } of fields) {
    if (repeats !== true) one.option(flags, description);
    else
      one.option(flags, description, (value: string, former?: string) =>
        [former, value].filter(Boolean).join(),
      );
  }
}

function bodies(one: Command, fields: readonly Field[]): object[] {
  const options = one.opts<Options>();
  return fields.flatMap(({ flags, body }) => {
    const value = options[new Option(flags).attributeName()];
    return value === undefined || value === false ? [] : [body(String(value))];
  });
}

function itemPath(noun: Noun, given: readonly unknown[]): string {
  const all = pathParts(given, noun.within.length + 1);
  return `${noun.path(...all.slice(0, -1))}/${all.at(-1)}`;
}

/** The first arguments, escaped for a path; commander passes options and the command itself behind all of them. */
function pathParts(given: readonly unknown[], count: number): string[] {
  return given.slice(0, count).map((text) => encodeURIComponent(String(text)));
}

function api(): Api {
  return createApi(readContext(settings()), tell);
}

/** Where they are only to be checked, they are printed, and the process ends. */
function settings(): CliSettings {
  const resolution = resolveFlags(command.opts<GivenFlags>());
  if (resolution.kind === 'run') return resolution.settings;
  process.stdout.write(resolution.text);
  return process.exit(ExitCode.ok);
}

/** Before anything is made that nobody could read. In place of a stdout that is closed Node opens the null device. */
function demandReader(item: string): void {
  if (process.platform === 'win32' || fstatSync(process.stdout.fd).rdev !== statSync(devNull).rdev) return;
  const message = `a ${item} is shown once, and stdout is closed or ${devNull}: none was made; let it go to a file or a program`;
  throw new CliError('CLI_ARGUMENT_INVALID', message);
}

function tellIfLost({ name, item }: Noun, within: readonly unknown[], made: unknown): void {
  const { id } = shaped(Type.Object({ id: Type.String() }), made);
  const remedy = ['postern', name, 'delete', ...within, id].join(' ');
  process.stdout.once('error', () =>
    tell(`postern: nobody has the ${item} that was made: ${remedy}, and make another`),
  );
}

function printOne(item: unknown): void {
  print(item, fieldsOf(item));
}

/** To stderr: stdout has the answer alone. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(value: unknown, text: string): void {
  process.stdout.write(`${settings().json ? jsonOf(value) : text}\n`);
}
