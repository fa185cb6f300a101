// What a measurement is given, and what it gives.

import type { Measured } from '../figure.ts';
import type { Started } from '../peers/peer.ts';
import type { Stage } from '../stage.ts';

/** How long, how much. */
export interface Effort {
  /** Of each load. */
  readonly seconds: number;
  /** Before each load: programs that compile as they run are measured as they run all day, and so are all others. */
  readonly warmUpSeconds: number;
  readonly streams: number;
  readonly tunnels: number;
  /** Where the edge is to hold as many as one process should. */
  readonly manyStreams: number;
  readonly manyTunnels: number;
  readonly roundTripMs: number;
  /** Given to a tunnel to come to rest before its memory is read. */
  readonly restMs: number;
}

/** A peer that runs, and where. */
export interface Scene {
  readonly stage: Stage;
  readonly started: Started;
  readonly effort: Effort;
  /** null for no tunnel: then nothing is asked of its processes. */
  readonly encryption: string | null;
}

/** Runs a load before it counts; not at all where nothing is asked of speeds. */
export async function warmUp(
  { warmUpSeconds }: Effort,
  load: (seconds: number) => Promise<unknown>,
): Promise<void> {
  if (warmUpSeconds > 0) await load(warmUpSeconds);
}

/** Measures one group of figures on a freshly started peer. */
export type Measurement = (scene: Scene) => Promise<Measured>;
