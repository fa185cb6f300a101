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
  return { ...(await measureStreams(scene)), ...(await measureTunnels(scene)) };
}

async function measureStreams({ stage, started, effort }: Scene): Promise<Measured> {
  const both = async (): Promise<[number, number]> => [
    await memoryBytes(stage.pids('edge')),
    await memoryBytes(stage.pids('client')),
  ];
  await (await holdConnections(started.fronts.echo, 1)).close(); // What the first stream alone makes it load.
  await sleep(effort.restMs);
  const [edgeBefore, clientBefore] = await both();
  const held = await holdConnections(started.fronts.echo, effort.streams);
  try {
    await sleep(effort.restMs);
    const [edge, client] = await both();
    return {
      'stream-edge': (edge - edgeBefore) / effort.streams / 1e3,
      'stream-client': (client - clientBefore) / effort.streams / 1e3,
    };
  } finally {
    await held.close();
  }
}

async function measureTunnels({ stage, started, effort }: Scene): Promise<Measured> {
  if (started.addIdleTunnels === undefined || effort.tunnels === 0) return {};
  await sleep(effort.restMs);
  const before = await memoryBytes(stage.pids('edge'));
  const added = await started.addIdleTunnels(effort.tunnels);
  await sleep(effort.restMs);
  return { 'tunnel-edge': ((await memoryBytes(stage.pids('edge'))) - before) / added / 1e3 };
}
