// The way of a single byte there and back: alone, and beside eight bulk connections of the same tunnel.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Measured } from '../figure.ts';
import { bulk, type Direction, directions } from '../load/bulk.ts';
import { httpLoad } from '../load/http.ts';
import { ping } from '../load/script.ts';
import { type Scene, warmUp } from './measurement.ts';

/** Bulk has this long to reach its speed, and as much again when the bytes are done. */
const rampSeconds = 1;

/** Alone, then beside bulk in each direction. */
export async function measureLatency(scene: Scene): Promise<Measured> {
  await warmUp(scene.effort, (seconds) =>
    httpLoad(scene.started.fronts.http, { connections: 8, keepAlive: true, seconds }),
  );
  const alone = await ping(scene.started.fronts.echo, scene.effort.seconds);
  const measured: Measured = { 'ping-p50': alone.p50, 'ping-p99': alone.p99, 'ping-lost': alone.lost };
  for (const direction of directions) {
    const { lost = 0, ...figures } = await besideBulk(scene, direction);
    Object.assign(measured, figures);
    measured['ping-lost'] = (measured['ping-lost'] ?? 0) + lost;
  }
  return measured;
}

async function besideBulk(scene: Scene, direction: Direction): Promise<Measured & { lost?: number }> {
  const { stage, started, effort } = scene;
  const flow = await bulk(stage, started.fronts.bulk, {
    connections: 8,
    direction,
    seconds: effort.seconds + 2 * rampSeconds,
  });
  const [{ p50, p99, lost }, { bytesPerSecond }] = await Promise.all([
    sleep(rampSeconds * 1e3).then(() => ping(started.fronts.echo, effort.seconds)),
    flow.done,
  ]);
  return {
    [`ping-${direction}-p50`]: p50,
    [`ping-${direction}-p99`]: p99,
    [`ping-${direction}-bulk`]: bytesPerSecond / 1e6,
    lost,
  };
}
