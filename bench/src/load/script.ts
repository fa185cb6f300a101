// Our own load generators: the scripts in ../process, each a process of its own so that none shares an event loop.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Front, placeOf } from '../peers/peer.ts';
import { type Command, run } from '../program.ts';

const graceMs = 30_000;

/** One of our scripts as a command. */
export function script(
  name: 'endpoint' | 'ping' | 'hold' | 'stall',
  ...args: Array<string | number>
): Command {
  return {
    file: process.execPath,
    args: [join(import.meta.dirname, '..', 'process', `${name}.ts`), ...args.map(String)],
  };
}

/** Percentiles of a byte's way there and back. */
export interface PingResult {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
  readonly lost: number;
}

/** Sends 100 bytes a second, one by one. */
export async function ping(front: Front, seconds: number): Promise<PingResult> {
  const { host, port } = placeOf(front);
  const command = script('ping', host, port, seconds, 100);
  return JSON.parse(await run(command, seconds * 1000 + graceMs)) as PingResult;
}

/** Connections that are open and idle until `close`. */
export async function holdConnections(front: Front, count: number): Promise<{ close(): Promise<void> }> {
  const { host, port } = placeOf(front);
  const { file, args } = script('hold', host, port, count);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const ready = once(child.stdout, 'data', { signal: AbortSignal.timeout(graceMs + count * 10) });
  const complaint = once(child.stderr, 'data').then(([text]) => {
    throw new Error(`idle streams: ${String(text).trim()}`);
  });
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  try {
    await Promise.race([ready, complaint]);
  } catch (error) {
    await close();
    throw error;
  }
  complaint.catch(() => {});
  return { close };
}
