// Small requests over kept-alive connections, and a connection for each.

import type { Measured } from '../figure.ts';
import { httpLoad } from '../load/http.ts';
import type { Scene } from './measurement.ts';

/** 64 connections that stay open. */
export async function measureRequests({ started, effort }: Scene): Promise<Measured> {
  const load = { connections: 64, keepAlive: true };
  await httpLoad(started.fronts.http, { ...load, seconds: effort.warmUpSeconds });
  const result = await httpLoad(started.fronts.http, { ...load, seconds: effort.seconds });
  return {
    requests: result.requestsPerSecond,
    'requests-p50': result.p50Ms,
    'requests-p99': result.p99Ms,
    'requests-errors': result.errors,
  };
}

/** 32 at once, each of them closed after its answer. */
export async function measureConnections({ started, effort }: Scene): Promise<Measured> {
  const load = { connections: 32, keepAlive: false };
  await httpLoad(started.fronts.http, { ...load, seconds: effort.warmUpSeconds });
  const result = await httpLoad(started.fronts.http, { ...load, seconds: effort.seconds });
  return {
    connections: result.requestsPerSecond,
    'connections-p99': result.p99Ms,
    'connections-errors': result.errors,
  };
}
