// One stream over a longer way: a delay proxy stands between the two ends of the tunnel.

import type { Measured } from '../figure.ts';
import { bulk, directions } from '../load/bulk.ts';
import type { Scene } from './measurement.ts';

/** Windows need some round trips to grow, so this takes longer than at no distance. */
const longerBy = 1.5;

/** One connection each way. */
export async function measureDistance({ stage, started, effort }: Scene): Promise<Measured> {
  const measured: Measured = {};
  for (const direction of directions) {
    const warmUp = { connections: 1, direction, seconds: effort.warmUpSeconds };
    await (
      await bulk(stage, started.fronts.bulk, warmUp)
    ).done;
  }
  for (const direction of directions) {
    const seconds = Math.ceil(effort.seconds * longerBy);
    const flow = await bulk(stage, started.fronts.bulk, { connections: 1, direction, seconds });
    measured[`distance-${direction}`] = (await flow.done).bytesPerSecond / 1e6;
  }
  return measured;
}
