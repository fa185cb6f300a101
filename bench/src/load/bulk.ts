// Bulk traffic through a front with iperf3. Its server takes one test and ends; so it is started for each.

import { Program, run } from '../program.ts';
import { type Front, placeOf, program } from '../peers/peer.ts';
import { listeningPorts } from '../proc.ts';
import type { Stage } from '../stage.ts';
import { until } from '../until.ts';

/** Both ways; `up` is from the caller to the resource. */
export const directions = ['up', 'down'] as const;

/** One of both ways. */
export type Direction = (typeof directions)[number];

/** How much is asked for. */
export interface BulkOptions {
  readonly connections: number;
  readonly direction: Direction;
  readonly seconds: number;
}

/** What came through, counted where it arrived. */
export interface BulkResult {
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

interface IperfReport {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bytes: number; readonly bits_per_second: number } };
}

const graceMs = 30_000;

/** Begins to send; `done` resolves when the time is over and everything has arrived. */
export async function bulk(
  stage: Stage,
  front: Front,
  options: BulkOptions,
): Promise<{ done: Promise<BulkResult> }> {
  const port = String(stage.resources.bulk);
  const log = await stage.file('iperf.log', '');
  const server = new Program(
    { file: program('iperf3'), args: ['-s', '-1', '-B', '127.0.0.1', '-p', port] },
    log,
  );
  try {
    await until(async () => (await listeningPorts()).has(stage.resources.bulk), {
      what: 'iperf3',
      timeoutMs: graceMs,
    });
  } catch (error) {
    await server.stop();
    throw error;
  }
  const at = placeOf(front);
  const destination = ['-c', at.host, '-p', String(at.port), '--connect-timeout', '5000'];
  const load = ['-t', String(options.seconds), '-P', String(options.connections)];
  const reverse = options.direction === 'down' ? ['-R'] : [];
  const args = [...destination, ...load, ...reverse, '-J'];
  return { done: finish(args, server, options.seconds) };
}

async function finish(args: readonly string[], server: Program, seconds: number): Promise<BulkResult> {
  try {
    return parseReport(await run({ file: program('iperf3'), args }, seconds * 1000 + graceMs));
  } finally {
    await server.stop();
  }
}

/** Reads the JSON that iperf3 writes. */
export function parseReport(text: string): BulkResult {
  const report = JSON.parse(text) as IperfReport;
  const received = report.end?.sum_received;
  if (report.error !== undefined || received === undefined)
    throw new Error(`iperf3: ${report.error ?? 'no result'}`);
  return { bytes: received.bytes, bytesPerSecond: received.bits_per_second / 8 };
}
