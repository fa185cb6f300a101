/**
 * docs/METRICS.md: what the programs show at /metrics and send by OTLP. Made by registering what each `metrics.ts` registers;
 * nothing is read, so no service need run.
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { busMetrics } from '@postern/bus';
import { clockMetrics, storeMetrics } from '@postern/store';
import { type MetricDescription, Metrics, processMetrics } from '@postern/telemetry';

/** Programs that have a connection to the bus of their own. */
const busPrograms = ['acl', 'admin', 'certstore', 'edge', 'router'];
/** Programs that have documents. */
const documentPrograms = ['acl', 'admin', 'certstore', 'router', 'standalone'];
/** Programs whose database has a clock of its own. */
const clockPrograms = documentPrograms.filter((program) => program !== 'standalone');

/** A metric, and the programs that have it. */
export interface ListedMetric extends MetricDescription {
  /** Their rooms: `edge`, `client`. */
  readonly rooms: readonly string[];
}

type Register = (metrics: Metrics, ...sources: unknown[]) => unknown;

/** Every metric of the tree, by its name at /metrics. */
async function listMetrics(root: string): Promise<ListedMetric[]> {
  const files = globSync('{services,apps}/*/src/metrics.ts', { cwd: root }).toSorted();
  const own = (await Promise.all(files.map((file) => registered(root, file)))).flat();
  const programs = [...new Set([...own.map(({ room }) => room), 'standalone'])];
  const all = [
    ...own,
    { room: null, rooms: busPrograms, list: listOf((metrics) => busMetrics(metrics, () => null)) },
    { room: null, rooms: documentPrograms, list: listOf(storeMetrics) },
    { room: null, rooms: clockPrograms, list: listOf((metrics) => clockMetrics(metrics, unread)) },
    { room: null, rooms: programs, list: listOf(processMetrics) },
  ].flatMap(({ rooms, list }) => list.map((description) => ({ ...description, rooms })));
  const byName = Map.groupBy(all, ({ prometheusName }) => prometheusName);
  return [...byName.values()]
    .map((same) => ({
      ...(same[0] as ListedMetric),
      rooms: [...new Set(same.flatMap(({ rooms }) => rooms))].toSorted(),
    }))
    .toSorted((one, other) => one.prometheusName.localeCompare(other.prometheusName));
}

/** The generated part of the page. */
export async function metricsPage(root: string): Promise<string> {
  const rows = (await listMetrics(root)).map(
    ({ name, prometheusName, kind, labels, rooms, help }) =>
      `| \`${name}\` | \`${prometheusName}\` | ${kind} | ${codes(labels)} | ${rooms.join(', ')} | ${help} |`,
  );
  return [
    '| OpenTelemetry | Prometheus | kind | labels | programs | what it is |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** What each function `…Metrics` of a file registers; one that is not named for its room is of a process apart. */
async function registered(
  root: string,
  file: string,
): Promise<{ room: string; rooms: string[]; list: MetricDescription[] }[]> {
  const [folder, room = ''] = file.split('/');
  const module = (await import(pathToFileURL(join(root, file)).href)) as Record<string, unknown>;
  return Object.entries(module).flatMap(([name, register]) => {
    if (!name.endsWith('Metrics') || typeof register !== 'function') return [];
    const part = name.slice(0, -'Metrics'.length);
    const own = part === room ? room : `${room} ${part}`;
    const rooms = folder === 'services' && part === room ? [room, 'standalone'] : [own];
    return [{ room: own, rooms, list: listOf((metrics) => (register as Register)(metrics, unread, unread)) }];
  });
}

/** Sources are asked when values are read, which nobody does here. */
function unread(): never {
  throw new Error('a metric was read while it was registered');
}

function listOf(register: (metrics: Metrics) => unknown): MetricDescription[] {
  const metrics = new Metrics();
  register(metrics);
  return metrics.list();
}

function codes(names: readonly string[]): string {
  return names.length === 0 ? '–' : names.map((name) => `\`${name}\``).join(', ');
}
