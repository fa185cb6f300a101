// Small requests over kept-alive connections, and a connection for each; with the CPU time of both ends of the tunnel.

import type { Measured } from '../figure.ts';
import { type HttpOptions, type HttpResult, httpLoad } from '../load/http.ts';
import type { Front } from '../peers/peer.ts';
import { cpuSeconds } from '../proc.ts';
import { type Scene, warmUp } from './measurement.ts';

/** 64 connections that stay open. */
export async function measureRequests(scene: Scene): Promise<Measured> {
  const load = { connections: 64, keepAlive: true };
  const { result, cpu } = await measureLoad(scene, scene.started.fronts.http, load);
  return {
    requests: result.requestsPerSecond,
    'requests-p50': result.p50Ms,
    'requests-p99': result.p99Ms,
    'requests-errors': result.errors,
    ...(scene.encryption === null ? {} : { 'requests-cpu': cpu }),
  };
}

/** 32 at once, each of them closed after its answer. */
export async function measureConnections(scene: Scene): Promise<Measured> {
  const load = { connections: 32, keepAlive: false };
  const { result, cpu } = await measureLoad(scene, scene.started.fronts.http, load);
  return {
    connections: result.requestsPerSecond,
    'connections-p99': result.p99Ms,
    'connections-errors': result.errors,
    ...(scene.encryption === null ? {} : { 'connections-cpu': cpu }),
  };
}

/** One load behind its warm-up; `cpu` is what both ends took for a request, in microseconds. */
export async function measureLoad(
  { stage, effort }: Scene,
  front: Front,
  load: Omit<HttpOptions, 'seconds'>,
): Promise<{ result: HttpResult; cpu: number }> {
  const run = (seconds: number): Promise<HttpResult> => httpLoad(front, { ...load, seconds });
  await warmUp(effort, run);
  const before = await cpuSeconds(stage.pids());
  const result = await run(effort.seconds);
  const used = (await cpuSeconds(stage.pids())) - before;
  return { result, cpu: (used * 1e6) / result.requests };
}
