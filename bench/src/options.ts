// The command line: everything bounded in time and count, and help that names peers and figures.

import { Command, InvalidArgumentError, Option } from 'commander';
import { type Group, groups, groupTitles } from './figure.ts';
import { openFilesMax } from './proc.ts';
import type { Effort } from './figures/measurement.ts';
import { missingPrograms, peers as allPeers } from './peers/index.ts';
import type { Peer } from './peers/peer.ts';

/** What the command line asks for. */
export interface Options {
  readonly peers: readonly Peer[];
  /** Known, but not on this machine. */
  readonly absent: ReadonlyArray<{ readonly name: string; readonly missing: readonly string[] }>;
  readonly groups: readonly Group[];
  readonly rounds: number;
  readonly effort: Effort;
  readonly json: string | undefined;
  readonly plot: string | undefined;
  readonly namespace: boolean;
}

interface Raw {
  readonly peers?: string[];
  readonly only: Group[];
  readonly rounds: number;
  readonly seconds: number;
  readonly streams: number;
  readonly tunnels: number;
  readonly manyStreams: number;
  readonly manyTunnels: number;
  readonly roundTrip: number;
  readonly json?: string;
  readonly plot?: string | true;
  readonly smoke?: true;
  readonly namespace: boolean;
}

const badUsage = 64;
const plotFile = 'docs/bench.svg';
/** Enough to see that every figure comes out. */
const smoke = { rounds: 1, seconds: 1, streams: 20, tunnels: 2, manyStreams: 20, manyTunnels: 2 };
/** What an end opens beside its streams, and what a node keeps from callers (`file-reserve.ts`). */
const otherFiles = 1_524;
/** Before each load: new connections and small requests come to their rate in some ten seconds of V8 compiling what is hot. */
const warmUpSeconds = 10;
const restMs = { smoke: 200, otherwise: 2_000 };

/** Reads the arguments; ends the process on --help and on bad usage. */
export function parseOptions(argv: readonly string[]): Options {
  const command = describeCommand();
  command.parse(
    argv.filter((argument) => argument !== '--'),
    { from: 'user' },
  );
  const given = command.opts<Raw>();
  const raw = given.smoke ? { ...given, ...smoke } : given;
  const chosen = choosePeers(raw.peers, command);
  return {
    ...chosen,
    groups: groups.filter((group) => raw.only.includes(group)),
    rounds: raw.rounds,
    effort: {
      seconds: raw.seconds,
      warmUpSeconds: raw.smoke ? 0 : warmUpSeconds,
      streams: raw.streams,
      tunnels: raw.tunnels,
      manyStreams: raw.manyStreams,
      manyTunnels: raw.manyTunnels,
      roundTripMs: raw.roundTrip,
      restMs: raw.smoke ? restMs.smoke : restMs.otherwise,
    },
    json: raw.json,
    plot: raw.plot === true ? plotFile : raw.plot,
    namespace: raw.namespace,
  };
}

function describeCommand(): Command {
  return new Command('bench')
    .description('Measures Postern beside other encrypted tunnels, in interleaved rounds on this machine.')
    .addOption(
      new Option(
        '--peers <list>',
        'peers by name, with commas (default: all that are found, but the variants of postern)',
      ).argParser(list),
    )
    .addOption(
      new Option('--only <figures>', 'groups of figures, with commas')
        .argParser(groupList)
        .default([...groups], 'all'),
    )
    .addOption(number('--rounds <n>', 'each begins with another peer', 1, 100).default(3))
    .addOption(number('--seconds <s>', 'for each load', 1, 120).default(5))
    .addOption(number('--streams <n>', 'idle streams', 1, 8_000).default(2_000))
    .addOption(number('--tunnels <n>', 'idle tunnels', 0, 500).default(300))
    .addOption(
      number('--many-streams <n>', 'idle streams in one process', 1, 20_000).default(
        Math.min(20_000, openFilesMax() - otherFiles),
        '20000, or as many as a process may open',
      ),
    )
    .addOption(number('--many-tunnels <n>', 'idle tunnels in one process', 1, 20_000).default(10_000))
    .addOption(number('--round-trip <ms>', 'of the long way', 2, 1_000).default(50))
    .option('--json <file>', 'write everything that was measured, after each turn')
    .option('--plot [file]', `draw it as SVG (without a file: ${plotFile})`)
    .option('--smoke', 'a few seconds, to see that every figure comes out')
    .option('--no-namespace', "stay on the machine's own loopback, also as root")
    .addHelpText('after', footer())
    .allowExcessArguments(false)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : badUsage));
}

function footer(): string {
  const known = allPeers.map((peer) => {
    const missing = missingPrograms(peer);
    return `  ${peer.name.padEnd(20)}${missing.length > 0 ? `not here: ${missing.join(', ')}` : (peer.encryption ?? 'no tunnel')}`;
  });
  const figures = groups.map((group) => `  ${group.padEnd(14)}${groupTitles[group]}`);
  return `
Peers, looked for in the folders of $POSTERN_BENCH_PEERS, then on the PATH:
${known.join('\n')}

Figures:
${figures.join('\n')}

The report goes to stdout as Markdown, progress to stderr. Ends with 1 when a measurement failed.`;
}

function choosePeers(
  names: readonly string[] | undefined,
  command: Command,
): Pick<Options, 'peers' | 'absent'> {
  const absent = allPeers
    .map((peer) => ({ name: peer.name, missing: missingPrograms(peer) }))
    .filter(({ missing }) => missing.length > 0);
  const isAbsent = (name: string): boolean => absent.some((one) => one.name === name);
  if (names === undefined)
    return { peers: allPeers.filter(({ name, onRequest }) => onRequest !== true && !isAbsent(name)), absent };
  const peers = names.map((name) => {
    const peer = allPeers.find((one) => one.name === name);
    if (peer === undefined)
      command.error(
        `error: no peer is called '${name}'; known are ${allPeers.map((one) => one.name).join(', ')}`,
      );
    if (isAbsent(name))
      command.error(
        `error: ${name} needs ${missingPrograms(peer).join(', ')} on the PATH or in $POSTERN_BENCH_PEERS`,
      );
    return peer;
  });
  return { peers, absent: [] };
}

function list(text: string): string[] {
  const names = [
    ...new Set(
      text
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ),
  ];
  if (names.length === 0) throw new InvalidArgumentError('name at least one');
  return names;
}

function groupList(text: string): Group[] {
  return list(text).map((name) => {
    const group = groups.find((one) => one === name);
    if (group === undefined) throw new InvalidArgumentError(`'${name}' is none of ${groups.join(', ')}`);
    return group;
  });
}

function number(option: string, description: string, least: number, most: number): Option {
  return new Option(option, `${description} (${least} to ${most})`).argParser((text: string) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`a whole number from ${least} to ${most} is needed`);
    }
    return value;
  });
}
