// Bytes a second, and the CPU time that both ends of the tunnel take for a gigabyte.

import type { Measured } from '../figure.ts';
import { type BulkOptions, type BulkResult, bulk, type Direction, directions } from '../load/bulk.ts';
import { cpuSeconds } from '../proc.ts';
import { type Scene, warmUp } from './measurement.ts';

/** One and eight connections, both ways, one after the other. */
export async function measureBytes(scene: Scene): Promise<Measured> {
  const measured: Measured = {};
  for (const direction of directions) {
    await warmUp(scene.effort, (seconds) => send(scene, { connections: 8, direction, seconds }));
  }
  for (const connections of [1, 8] as const) {
    for (const direction of directions)
      Object.assign(measured, await measureOne(scene, connections, direction));
  }
  return measured;
}

async function measureOne(scene: Scene, connections: 1 | 8, direction: Direction): Promise<Measured> {
  const { stage, effort } = scene;
  const before = await cpuSeconds(stage.pids());
  const { bytes, bytesPerSecond } = await send(scene, { connections, direction, seconds: effort.seconds });
  const used = (await cpuSeconds(stage.pids())) - before;
  const rate = { [`bytes-${connections}-${direction}`]: bytesPerSecond / 1e6 };
  if (scene.encryption === null) return rate;
  return { ...rate, [`cpu-${connections}-${direction}`]: used / (bytes / 1e9) };
}

async function send({ stage, started }: Scene, options: BulkOptions): Promise<BulkResult> {
  const flow = await bulk(stage, started.fronts.bulk, options);
  return flow.done;
}
