/**
 * What a process of the cluster holds once all garbage is gone: its inspector is opened (SIGUSR1, at a port that the system
 * gives), told to collect, and its own metrics are read. Garbage that waits for the collector is no matter of the program.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '@postern/test-cluster';
import { metricsOf, sumOf } from './node-metrics.ts';

const answerWithinMs = 30_000;
const opened = new Map<number, string>();

/** Runs with the processes that it starts ready to open their inspectors. */
export async function withInspectors<Result>(run: () => Promise<Result>): Promise<Result> {
  const former = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = [former, '--inspect-port=127.0.0.1:0'].filter(Boolean).join(' ');
  try {
    return await run();
  } finally {
    if (former === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = former;
  }
}

/** Bytes of the heap and of what hangs on it, after a collection. */
export async function collectedHeap(cluster: Cluster, name: string): Promise<number> {
  await collectGarbage(await inspectorOf(cluster, name));
  const text = await metricsOf(cluster, name);
  return sumOf(text, 'v8js_memory_heap_used_bytes') + sumOf(text, 'postern_process_external_memory_bytes');
}

async function collectGarbage(url: string): Promise<void> {
  const inspector = new WebSocket(url);
  const signal = AbortSignal.timeout(answerWithinMs);
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      inspector.addEventListener('error', () => reject(new Error('the inspector cannot be reached')));
      inspector.addEventListener('message', () => resolve());
      inspector.addEventListener('open', () =>
        inspector.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' })),
      );
    });
  } finally {
    inspector.close();
  }
}

/** The process writes the address to its log when it is asked to open it. */
async function inspectorOf(cluster: Cluster, name: string): Promise<string> {
  const pid = cluster.processes.find((one) => one.name === name)?.pid ?? 0;
  const known = opened.get(pid);
  if (known !== undefined) return known;
  const told = async (): Promise<string[]> => {
    const log = await readFile(join(cluster.state, 'logs', `${name}.log`), 'utf8');
    return [...log.matchAll(/^Debugger listening on (ws:\S+)$/gm)].map(([, url]) => url ?? '');
  };
  const before = (await told()).length;
  process.kill(pid, 'SIGUSR1');
  const deadline = performance.now() + answerWithinMs;
  for (;;) {
    const url = (await told())[before];
    if (url !== undefined) {
      opened.set(pid, url);
      return url;
    }
    if (performance.now() > deadline) throw new Error(`${name} does not open its inspector`);
    await delay(50);
  }
}
