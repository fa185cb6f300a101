/**
 * A storm: thousands of clients hold a tunnel each, their node is killed and started again, and all come back at once.
 *
 *     all up ──► memory settles ──► node killed, started ──► a real site comes back, callers stay on ──► all up ──► memory
 *
 * What must hold: all are back in time; whoever is connected meanwhile does not notice; nothing fails but what the node
 * refuses in plain words (come back later) and what was under way when it died; memory is at its level again.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import {
  type Cluster,
  type Probe,
  type Site,
  bootCluster,
  startEcho,
  startProbe,
  startSite,
} from '@postern/test-cluster';
import { Herd } from './herd.ts';

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
  /** Bytes of the node's heap and of what hangs on it: with all tunnels before, with all tunnels after. */
  readonly heapBefore: number;
  readonly heapAfter: number;
}

const node = 'edge-1';
const heapLooks = 6;
const heapLookMs = 500;
/** Failures that are no fault: the node was not there, or asked to come back later. */
const plain =
  /ECONNREFUSED|ECONNRESET|CONNECTION_FAILED|CALL_UNAVAILABLE|CALL_RATE|TUNNELS_BUSY|CALLS_BUSY|DRAINING/;

/** Failures that must not be. */
export function faultsOf({ failures, lost }: Pick<StormResult, 'failures' | 'lost'>): string[] {
  const bad = [...failures].filter(([cause]) => !plain.test(cause));
  const faults = bad.map(([cause, count]) => `${cause} (${count})`);
  return lost === 0 ? faults : [...faults, `tunnels that were back and broke (${lost})`];
}

/** As a table. */
export function describeStorm(result: StormResult): string {
  const { tunnels, backMs, failures, lost, longestMs, rounds, heapBefore, heapAfter } = result;
  const told = toldOf(failures);
  return [
    '| tunnels | all back after | tried again because of | lost meanwhile | a caller waited at most | heap before, after |',
    '|---|---|---|---|---|---|',
    `| ${tunnels} | ${seconds(backMs)} | ${told} | ${lost} | ${Math.round(longestMs)} ms in ${rounds} rounds | ${megabytes(heapBefore)}, ${megabytes(heapAfter)} |`,
  ].join('\n');
}

/** Makes one. */
export async function runStorm({ tunnels, processes, onLine }: StormOptions): Promise<StormResult> {
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
  const heapBefore = await settledHeap(cluster);
  onLine(`the node's heap is ${megabytes(heapBefore)}; it is killed and started again`);
  herd.forget();
  await cluster.kill(node);
  await herd.until((up) => up === 0, 60_000);
  herd.forget();
  const restarting = cluster.restart(node);
  await untilTunnels(cluster);
  const takenAt = performance.now();
  await restarting;
  await using probe = await firstProbe(site);
  onLine(`a caller is served, with ${herd.up} tunnels back`);
  await herd.until((up) => up === tunnels, 600_000);
  const backMs = performance.now() - takenAt;
  const { longestMs, rounds } = probe;
  probe.check();
  onLine(`all are back after ${seconds(backMs)}`);
  const [failures, lost] = [new Map(herd.failures), herd.lost];
  const heapAfter = await settledHeap(cluster);
  return { tunnels, backMs, failures, lost, longestMs, rounds, heapBefore, heapAfter };
}

/** What a node is told that is to hold so many tunnels, all from one address. */
function edgeFlags(tunnels: number): string[] {
  return ['--tunnels-max', String(tunnels + 100), '--connect-calls-per-minute', '1000000'];
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
    const status = await ops(cluster, '/status/edge').catch(() => '{}');
    if ((JSON.parse(status) as { ports?: { tunnel: number } }).ports?.tunnel ?? 0) return;
    await passed(50);
  }
}

/** The site's client comes back in the storm as any other does; its caller stays from then on. */
async function firstProbe(site: Site): Promise<Probe> {
  for (;;) {
    try {
      return await startProbe(site.front('echo'));
    } catch {
      await passed(50);
    }
  }
}

/** Once the collector has run; the lowest of a few looks, since it runs when it likes. */
async function settledHeap(cluster: Cluster): Promise<number> {
  let lowest = Infinity;
  for (let look = 0; look < heapLooks; look += 1) {
    const text = await ops(cluster, '/metrics');
    const heap =
      sumOf(text, 'v8js_memory_heap_used_bytes') + sumOf(text, 'postern_process_external_memory_bytes');
    lowest = Math.min(lowest, heap);
    await passed(heapLookMs);
  }
  return lowest;
}

/** Of a metric, over all its labels. */
function sumOf(text: string, name: string): number {
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

function ops(cluster: Cluster, path: string): Promise<string> {
  const opsUrl = cluster.processes.find(({ name }) => name === node)?.opsUrl;
  return new Promise((resolve, reject) => {
    get(`${opsUrl}${path}`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    }).on('error', reject);
  });
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
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
