// What it costs that a caller comes to a node without a tunnel to the client: as users have it, when the client has been
// asked for one because much is relayed, and with each byte relayed as long as it runs. Beside the same at the node that has one.

import type { FigureName, Measured } from '../figure.ts';
import { type Direction, bulk, directions } from '../load/bulk.ts';
import { httpLoad } from '../load/http.ts';
import type { Fronts, StartedNodes } from '../peers/peer.ts';
import { type Scene, warmUp } from './measurement.ts';

const loadsMax = 5;

/** Bytes of one connection each way and requests, at all nodes in turns. Who comes to the node that asks comes last. */
export async function measureRelay(scene: Scene): Promise<Measured> {
  const { nodes } = scene.started;
  if (nodes === undefined) throw new Error('this peer has one node only');
  const measured: Partial<Record<FigureName, number>> = {};
  await loadUntilAsked(scene, nodes);
  const places = [
    ['own', nodes.own],
    ['hop', nodes.relayed],
    ['other', nodes.other],
  ] as const;
  for (const direction of directions) {
    for (const [name, fronts] of places)
      measured[`${name}-${direction}`] = await megabytesPerSecond(scene, fronts, direction);
  }
  for (const [name, fronts] of places) measured[`${name}-requests`] = await requestsPerSecond(scene, fronts);
  return measured;
}

/** Moves bytes at a node without a tunnel until it has one. */
async function loadUntilAsked({ stage }: Scene, nodes: StartedNodes): Promise<void> {
  for (let loads = 0; loads < loadsMax; loads += 1) {
    await (
      await bulk(stage, nodes.other.bulk, { connections: 1, direction: 'down', seconds: 3 })
    ).done;
    if (await nodes.otherHasTunnel()) return;
  }
  throw new Error(`the client was asked for no tunnel in ${loadsMax} loads`);
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
