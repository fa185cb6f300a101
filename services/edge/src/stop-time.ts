/**
 * How long a stop may take before it is given up. Who waits for another waits longer than that one for itself, so that
 * each has the time to say what did not end:
 *
 *     drain < node < supervisor, of a worker < the supervisor itself
 */
import type { EdgeOptions } from './config.ts';
import { drainMsMax } from './drain.ts';

/** What follows a drain, and what a loaded machine is late by. */
const spareMs = 15_000;

/** What the times follow from. */
type DrainTimes = Pick<EdgeOptions, 'drainDelayMs' | 'drainGraceMs'>;

/** The most time for a program that is a node. */
export function nodeStopMsMax(options: DrainTimes): number {
  return drainMsMax(options) + spareMs;
}

/** The most time that a supervisor gives a worker before it kills it. */
export function workerStopMsMax(options: DrainTimes): number {
  return nodeStopMsMax(options) + spareMs;
}

/** The most time for a supervisor. */
export function supervisorStopMsMax(options: DrainTimes): number {
  return workerStopMsMax(options) + spareMs;
}
