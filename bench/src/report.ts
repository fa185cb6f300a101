// What a run leaves: the facts of the machine, and each measurement as it was made. The JSON file is this object;
// tables and plots are made from it alone.

import { readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import type { Group, Measured } from './figure.ts';
import type { Effort } from './figures/measurement.ts';

/** One group of figures of one peer in one round. */
export interface Entry {
  readonly round: number;
  readonly group: Group;
  readonly peer: string;
  readonly figures: Measured;
  /** Cores that others used meanwhile. */
  readonly othersCores: number;
  readonly noisy: boolean;
  readonly error: string | null;
}

/** Where it was measured. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly congestionControl: string;
  readonly node: string;
}

/** A whole run. */
export interface Report {
  readonly startedAt: string;
  readonly machine: Machine;
  readonly effort: Effort;
  readonly rounds: number;
  /** How each peer was encrypted; null: not at all. */
  readonly peers: Readonly<Record<string, string | null>>;
  readonly entries: Entry[];
}

/** The facts of this machine. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    cores: processors.length,
    processor: processors[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release()} ${arch()}`,
    congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
    node: process.version,
  };
}
