// Small HTTP requests through a front with wrk.

import { join } from 'node:path';
import { type Front, placeOf, program } from '../peers/peer.ts';
import { run } from '../program.ts';

/** What wrk saw. */
export interface HttpResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

/** What nginx serves; without a path 128 bytes. */
export const bodies = { kibibyte: '/1k', mebibyte: '/1m' } as const;

/** How much is asked for; without keepAlive each request has a connection of its own. */
export interface HttpOptions {
  readonly connections: number;
  readonly keepAlive: boolean;
  readonly seconds: number;
  readonly tls?: boolean;
  readonly path?: string;
}

const graceMs = 30_000;

/** One run of wrk. */
export async function httpLoad(
  front: Front,
  { connections, keepAlive, seconds, tls = false, path = '/' }: HttpOptions,
): Promise<HttpResult> {
  const at = placeOf(front);
  const load = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '5s'];
  const header = keepAlive ? [] : ['-H', 'Connection: close'];
  const report = ['-s', join(import.meta.dirname, 'report.lua')];
  const args = [...load, ...header, ...report, `${tls ? 'https' : 'http'}://${at.host}:${at.port}${path}`];
  return parseSummary(await run({ file: program('wrk'), args }, seconds * 1000 + graceMs));
}

/** Finds the line that report.lua has written. */
export function parseSummary(text: string): HttpResult {
  const line = /^summary (\{.*\})$/m.exec(text)?.[1];
  if (line === undefined) throw new Error(`wrk gave no summary: ${text.slice(-300)}`);
  const { requests, durationUs, p50Us, p99Us, errors } = JSON.parse(line) as Record<string, number>;
  if (!requests || !durationUs) throw new Error(`wrk saw no answer and ${errors} errors`);
  return {
    requests,
    requestsPerSecond: requests / (durationUs / 1e6),
    p50Ms: (p50Us ?? Number.NaN) / 1e3,
    p99Ms: (p99Us ?? Number.NaN) / 1e3,
    errors: errors ?? 0,
  };
}
