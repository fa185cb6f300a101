// One stream over a longer way: a delay proxy stands between the two ends of the tunnel.

import type { Measured } from '../figure.ts';
import { type BulkResult, bulk, type Direction, directions } from '../load/bulk.ts';
import { type Scene, warmUp } from './measurement.ts';

/** Windows need some round trips to grow, so this takes longer than at no distance. */
const longerBy = 1.5;

/** One connection each way. */
export async function measureDistance({ stage, started, effort }: Scene): Promise<Measured> {
  const send = async (direction: Direction, seconds: number): Promise<BulkResult> => {
    const flow = await bulk(stage, started.fronts.bulk, { connections: 1, direction, seconds });
    return flow.done;
  };
  for (const direction of directions) await warmUp(effort, (seconds) => send(direction, seconds));
  const measured: Measured = {};
  for (const direction of directions) {
    const { bytesPerSecond } = await send(direction, Math.ceil(effort.seconds * longerBy));
    measured[`distance-${direction}`] = bytesPerSecond / 1e6;
  }
  return measured;
}
