// What a hop between nodes costs: the same front at the node that has the tunnel, and at one that has not.

import type { FigureName, Measured } from '../figure.ts';
import { type Direction, bulk, directions } from '../load/bulk.ts';
import { httpLoad } from '../load/http.ts';
import type { Fronts } from '../peers/peer.ts';
import { type Scene, warmUp } from './measurement.ts';

/** Bytes of one connection each way and requests, at both nodes in turns. */
export async function measureRelay(scene: Scene): Promise<Measured> {
  const { nodes } = scene.started;
  if (nodes === undefined) throw new Error('this peer has no second node');
  const measured: Partial<Record<FigureName, number>> = {};
  const both = [
    ['own', nodes.own],
    ['relay', nodes.relayed],
  ] as const;
  for (const direction of directions) {
    for (const [name, fronts] of both)
      measured[`${name}-${direction}`] = await megabytesPerSecond(scene, fronts, direction);
  }
  for (const [name, fronts] of both) measured[`${name}-requests`] = await requestsPerSecond(scene, fronts);
  return measured;
}

async function megabytesPerSecond(
  { stage, effort }: Scene,
  fronts: Fronts,
  direction: Direction,
): Promise<number> {
  const run = async (seconds: number) => {
    return (await bulk(stage, fronts.bulk, { connections: 1, direction, seconds })).done;
  };
  await warmUp(effort, run);
  return (await run(effort.seconds)).bytesPerSecond / 1e6;
}

async function requestsPerSecond({ effort }: Scene, fronts: Fronts): Promise<number> {
  const load = { connections: 64, keepAlive: true };
  const run = (seconds: number) => httpLoad(fronts.http, { ...load, seconds });
  await warmUp(effort, run);
  return (await run(effort.seconds)).requestsPerSecond;
}
