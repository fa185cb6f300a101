// A run: keys and resources once, then turn by turn a peer is started, one group of figures is measured, and the
// peer is stopped. A peer that fails loses its turn, with the cause in the report; the others go on.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Group, type Measured } from './figure.ts';
import { measurements } from './figures/index.ts';
import type { Effort } from './figures/measurement.ts';
import { type Keys, makeKeys } from './keys.ts';
import { noisyCores, withNoise } from './noise.ts';
import { type Peer, takesPart } from './peers/peer.ts';
import { describeMachine, type Entry, type Report } from './report.ts';
import { startResources } from './resource.ts';
import { schedule, type Turn } from './schedule.ts';
import { type Ports, Stage } from './stage.ts';

/** What is measured, and how thoroughly. */
export interface BenchOptions {
  readonly peers: readonly Peer[];
  readonly groups: readonly Group[];
  readonly rounds: number;
  readonly effort: Effort;
  /** Aborted: the turn that runs is left out, everything is ended and removed, and what there is is returned. */
  readonly signal: AbortSignal;
  /** Called after each turn. */
  readonly onEntry: (entry: Entry, report: Report) => void | Promise<void>;
}

/** Runs all rounds. */
export async function bench(options: BenchOptions): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  const report: Report = {
    startedAt: new Date().toISOString(),
    machine: describeMachine(),
    effort: options.effort,
    rounds: options.rounds,
    peers: Object.fromEntries(options.peers.map(({ name, encryption }) => [name, encryption])),
    entries: [],
  };
  try {
    const keyDirectory = join(directory, 'keys');
    await mkdir(keyDirectory, { mode: 0o700 });
    const keys = await makeKeys(keyDirectory);
    const resources = await startResources(join(directory, 'resources'));
    try {
      for (const turn of schedule(options.peers, options.groups, options.rounds, takesPart)) {
        const entry = await take(turn, {
          directory,
          keys,
          resources: resources.ports,
          effort: options.effort,
        });
        if (options.signal.aborted) break;
        report.entries.push(entry);
        await options.onEntry(entry, report);
      }
    } finally {
      await resources.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return report;
}

function idleTunnelsOf(group: Group, { tunnels, manyTunnels }: Effort): number {
  if (group === 'memory') return tunnels;
  return group === 'idle-tunnels' ? manyTunnels : 0;
}

interface Surroundings {
  readonly directory: string;
  readonly keys: Keys;
  readonly resources: Ports;
  readonly effort: Effort;
}

async function take(
  { round, group, peer }: Turn<Peer>,
  { directory, keys, resources, effort }: Surroundings,
): Promise<Entry> {
  const stage = new Stage({
    group,
    directory: join(directory, `${round}-${group}-${peer.name}`),
    keys,
    resources,
    roundTripMs: group === 'distance' ? effort.roundTripMs : 0,
    idleTunnels: idleTunnelsOf(group, effort),
  });
  let figures: Measured = {};
  let othersCores = 0;
  let error: string | null = null;
  try {
    const started = await peer.start(stage);
    const measure = (): Promise<Measured> =>
      measurements[group]({ stage, started, effort, encryption: peer.encryption });
    figures = await withNoise(measure, (cores) => (othersCores = Math.round(cores * 1e3) / 1e3));
  } catch (cause) {
    error = messageOf(cause);
  }
  // What outlives even SIGKILL for a while, on a full machine, costs this entry and not the report.
  await stage.close().catch((cause: unknown) => (error ??= messageOf(cause)));
  return { round, group, peer: peer.name, figures, othersCores, noisy: othersCores > noisyCores, error };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
