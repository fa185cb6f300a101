// A reader that never reads, once the resource and once the caller. Another stream of the same tunnel must not
// notice, and memory must stop growing.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Measured } from '../figure.ts';
import { directions } from '../load/bulk.ts';
import { ping, script } from '../load/script.ts';
import { memoryBytes } from '../proc.ts';
import { placeOf } from '../peers/peer.ts';
import { Program } from '../program.ts';
import type { Scene } from './measurement.ts';

/** Time in which the stuck stream takes what it takes, before the other one is looked at. */
const fillMs = 1_000;

/** Up: the resource is stuck. Down: the caller is. */
export async function measureStalled({ stage, started, effort, encryption }: Scene): Promise<Measured> {
  const front = started.fronts.echo;
  const log = await stage.file('stall.log', '');
  const measured: Measured = { 'stalled-before-p50': (await ping(front, effort.seconds)).p50 };
  for (const direction of directions) {
    const before = await memoryBytes(stage.pids());
    const { host, port } = placeOf(front);
    const stuck = new Program(script('stall', direction === 'up' ? 'push' : 'hold', host, port), log);
    try {
      await sleep(fillMs);
      measured[`stalled-${direction}-p50`] = (await ping(front, effort.seconds)).p50;
      await stuck.assertAlive();
      if (encryption !== null) {
        measured[`stalled-${direction}-growth`] = ((await memoryBytes(stage.pids())) - before) / 1e6;
      }
    } finally {
      await stuck.stop();
    }
  }
  return measured;
}
