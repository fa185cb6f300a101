// What an idle stream costs at each end, and an idle tunnel at the edge: anonymous memory before and after,
// divided by their number. A stream has carried one byte each way.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Measured } from '../figure.ts';
import { holdConnections } from '../load/script.ts';
import { memoryBytes } from '../proc.ts';
import type { Scene } from './measurement.ts';

/** Streams first, then tunnels, where the peer has any. */
export async function measureMemory(scene: Scene): Promise<Measured> {
  if (scene.encryption === null) return {};
  const { streams, tunnels } = scene.effort;
  const { edge, client } = await measureStreams(scene, streams);
  const measured: Measured = { 'stream-edge': edge.each, 'stream-client': client.each };
  if (scene.started.addIdleTunnels !== undefined && tunnels > 0)
    measured['tunnel-edge'] = (await measureTunnels(scene, tunnels)).each;
  return measured;
}

/** As many streams as one process should hold. */
export async function measureIdleStreams(scene: Scene): Promise<Measured> {
  const { manyStreams } = scene.effort;
  const { edge } = await measureStreams(scene, manyStreams);
  return {
    'idle-streams': manyStreams,
    'idle-streams-edge': edge.each,
    'idle-streams-whole': edge.whole,
  };
}

/** As many tunnels as one process should hold. */
export async function measureIdleTunnels(scene: Scene): Promise<Measured> {
  const { manyTunnels } = scene.effort;
  const edge = await measureTunnels(scene, manyTunnels);
  return {
    'idle-tunnels': manyTunnels,
    'idle-tunnels-edge': edge.each,
    'idle-tunnels-whole': edge.whole,
  };
}

/** `each` in KB, `whole` in MB: of all that the processes hold then. */
interface Growth {
  readonly each: number;
  readonly whole: number;
}

async function measureStreams(
  { stage, started, effort }: Scene,
  count: number,
): Promise<{ edge: Growth; client: Growth }> {
  await (await holdConnections(started.fronts.echo, 1)).close(); // What the first stream alone makes it load.
  await sleep(effort.restMs);
  const before = await memoryOfBoth();
  const fronts = [started.fronts.echo, ...(started.moreEchoes ?? [])];
  const held = await Promise.all(
    fronts.map((front) => holdConnections(front, Math.ceil(count / fronts.length))),
  );
  try {
    await sleep(effort.restMs);
    const after = await memoryOfBoth();
    return {
      edge: growth(before.edge, after.edge, count),
      client: growth(before.client, after.client, count),
    };
  } finally {
    for (const connections of held) await connections.close();
  }

  async function memoryOfBoth(): Promise<{ edge: number; client: number }> {
    return {
      edge: await memoryBytes(stage.pids('edge')),
      client: await memoryBytes(stage.pids('client')),
    };
  }
}

async function measureTunnels({ stage, started, effort }: Scene, count: number): Promise<Growth> {
  if (started.addIdleTunnels === undefined) throw new Error('this peer has no idle tunnels');
  await sleep(effort.restMs);
  const before = await memoryBytes(stage.pids('edge'));
  const added = await started.addIdleTunnels(count);
  await sleep(effort.restMs);
  return growth(before, await memoryBytes(stage.pids('edge')), added);
}

function growth(before: number, after: number, count: number): Growth {
  return { each: (after - before) / count / 1e3, whole: after / 1e6 };
}
