/**
 * A storm: thousands of clients hold a tunnel each, their node is killed and started again, and all come back at once.
 *
 *     all up ──► memory settles ──► node killed, started ──► a real site comes back, callers stay on ──► all up ──► memory
 *
 * What must hold: all are back in time; whoever is connected meanwhile does not notice; nothing fails but what the node
 * refuses in plain words (come back later) and what was under way when it died; memory is at its level again.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Cluster,
  type Probe,
  type Site,
  bootCluster,
  startEcho,
  startProbe,
  startSite,
} from '@postern/test-cluster';
import { collectedHeap, withInspectors } from './collected-heap.ts';
import { Herd } from './herd.ts';
import { askOps, metricsOf, sumOf } from './node-metrics.ts';

/** How large a storm, and who hears of it. */
export interface StormOptions {
  readonly tunnels: number;
  readonly processes: number;
  readonly onLine: (line: string) => void;
}

/** What came of it. */
export interface StormResult {
  readonly tunnels: number;
  /** From the moment that the node took tunnels again until all were up. */
  readonly backMs: number;
  readonly failures: ReadonlyMap<string, number>;
  /** Tunnels that broke again while others still came. */
  readonly lost: number;
  /** The longest that a caller waited for a round trip meanwhile; how many it made. */
  readonly longestMs: number;
  readonly rounds: number;
  /** Processor time meanwhile, in seconds: the node's and that of all clients. */
  readonly nodeSeconds: number;
  readonly clientSeconds: number;
  /** Bytes of the node's heap and of what hangs on it, garbage apart: with all tunnels before, with all tunnels after. */
  readonly heapBefore: number;
  readonly heapAfter: number;
}

const node = 'edge-1';
const backWithinMs = 60_000;
/** What the heap may have more, in part and in bytes, and be at its level: code is compiled, caches are filled. */
const heapFactor = 1.1;
const heapSlackBytes = 5 * 1_048_576;
const patience = Math.max(1, Number(process.env['POSTERN_TEST_PATIENCE'] ?? 1) || 1);
/** Failures that are no fault: the node was not there, or asked to come back later. */
const plain =
  /ECONNREFUSED|ECONNRESET|CONNECTION_FAILED|CALL_UNAVAILABLE|CALL_RATE|TUNNELS_BUSY|CALLS_BUSY|DRAINING/;

/** What must not be. */
export function faultsOf(result: StormResult): string[] {
  const { failures, lost, backMs, heapBefore, heapAfter } = result;
  const bad = [...failures].filter(([cause]) => !plain.test(cause));
  const faults = bad.map(([cause, count]) => `${cause} (${count})`);
  if (lost > 0) faults.push(`tunnels that were back and broke (${lost})`);
  if (backMs > backWithinMs * patience) faults.push(`not back within ${seconds(backWithinMs * patience)}`);
  if (heapAfter > heapBefore * heapFactor + heapSlackBytes) faults.push('the heap is not at its level');
  return faults;
}

/** As a table. */
export function describeStorm(result: StormResult): string {
  const { tunnels, backMs, failures, lost, longestMs, rounds, heapBefore, heapAfter } = result;
  const processor = [result.nodeSeconds, result.clientSeconds].map((used) => `${used.toFixed(1)} s`);
  return [
    '| tunnels | all back after | processor time of the node, of all clients | tried again because of | lost meanwhile | a caller waited at most | heap before, after |',
    '|---|---|---|---|---|---|---|',
    `| ${tunnels} | ${seconds(backMs)} | ${processor.join(', ')} | ${toldOf(failures)} | ${lost} | ${Math.round(longestMs)} ms in ${rounds} rounds | ${megabytes(heapBefore)}, ${megabytes(heapAfter)} |`,
  ].join('\n');
}

/** Makes one. */
export function runStorm(options: StormOptions): Promise<StormResult> {
  return withInspectors(() => storm(options));
}

async function storm({ tunnels, processes, onLine }: StormOptions): Promise<StormResult> {
  await using echo = await startEcho();
  await using cluster = await bootCluster({ nodes: 1, args: { edge: edgeFlags(tunnels) }, logLevel: 'warn' });
  const args = ['--tunnels', '1', '--transport', 'direct'];
  await using site = await startSite(cluster, { resources: { echo }, client: { args } });
  await using herd = startHerd(cluster, await startGateway(cluster), tunnels, processes);
  const startedAt = performance.now();
  await herd.until((up) => up === tunnels, 600_000);
  onLine(
    `${tunnels} tunnels are up after ${seconds(performance.now() - startedAt)}; tried again because of ${toldOf(herd.failures)}`,
  );
  const heapBefore = await collectedHeap(cluster, node);
  onLine(`the node's heap is ${megabytes(heapBefore)}; it is killed and started again`);
  herd.forget();
  await cluster.kill(node);
  await herd.until((up) => up === 0, 60_000);
  herd.forget();
  const restarting = cluster.restart(node);
  await untilTunnels(cluster);
  const takenAt = performance.now();
  const secondsBefore = { node: await nodeSecondsOf(cluster), clients: herd.seconds };
  await restarting;
  await using probe = await firstProbe(site);
  onLine(`a caller is served, with ${herd.up} tunnels back`);
  await herd.until((up) => up === tunnels, 600_000);
  const backMs = performance.now() - takenAt;
  const nodeSeconds = (await nodeSecondsOf(cluster)) - secondsBefore.node;
  const clientSeconds = herd.seconds - secondsBefore.clients;
  const { longestMs, rounds } = probe;
  probe.check();
  onLine(`all are back after ${seconds(backMs)}`);
  const [failures, lost] = [new Map(herd.failures), herd.lost];
  const heapAfter = await collectedHeap(cluster, node);
  const processor = { nodeSeconds, clientSeconds };
  return { tunnels, backMs, failures, lost, longestMs, rounds, ...processor, heapBefore, heapAfter };
}

/** What a node is told that is to hold so many tunnels, all from one address and of one gateway, which has half. */
function edgeFlags(tunnels: number): string[] {
  return ['--tunnels-max', String(2 * (tunnels + 100)), '--connect-calls-per-minute', '1000000'];
}

async function startGateway({ admin }: Cluster): Promise<{ gatewayId: string; token: string }> {
  const gateway = await admin.createGateway({ name: 'storm' });
  const { token } = await admin.createToken(gateway.id);
  return { gatewayId: gateway.id, token };
}

function startHerd(
  { connectUrl, caFile }: Cluster,
  gateway: { gatewayId: string; token: string },
  clients: number,
  processes: number,
): Herd {
  return new Herd({ ...gateway, connectUrl, caPem: readFileSync(caFile, 'utf8'), clients }, processes);
}

/** Resolves when the node takes tunnels: its ops port answers before that. */
async function untilTunnels(cluster: Cluster): Promise<void> {
  for (;;) {
    const status = await askOps(cluster, node, '/status/edge').catch(() => '{}');
    // Null before the node is made.
    if ((JSON.parse(status) as { ports?: { tunnel: number } } | null)?.ports?.tunnel ?? 0) return;
    await delay(50);
  }
}

/** The site's client comes back in the storm as any other does; its caller stays from then on. */
async function firstProbe(site: Site): Promise<Probe> {
  for (;;) {
    try {
      return await startProbe(site.front('echo'));
    } catch {
      await delay(50);
    }
  }
}

/** Processor time that the node has used. */
async function nodeSecondsOf(cluster: Cluster): Promise<number> {
  return sumOf(await metricsOf(cluster, node), 'process_cpu_time_seconds_total');
}

function toldOf(failures: ReadonlyMap<string, number>): string {
  return [...failures].map(([cause, count]) => `${cause} ${count}`).join(', ') || 'nothing';
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`;
}
