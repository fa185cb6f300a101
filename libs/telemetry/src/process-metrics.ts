/**
 * The process itself, under the names of OpenTelemetry's conventions for processes, V8 and Node's event loop; what these
 * have no name for is `postern.process.…`. Read when scraped, but for the event loop's delay (a timer of Node's own, a
 * hundred times a second) and garbage collections, which tell of themselves.
 */
import { readdirSync } from 'node:fs';
import {
  type PerformanceEntry,
  PerformanceObserver,
  constants,
  monitorEventLoopDelay,
  performance,
} from 'node:perf_hooks';
import process from 'node:process';
import { getHeapSpaceStatistics } from 'node:v8';
import { logCounts } from './logger.ts';
import type { MetricOptions, Metrics, Sample } from './metrics.ts';
import { openFiles } from './open-files.ts';

const delayResolutionMs = 10;
/** Several readers of one moment see the same delays. */
const delayFreshMs = 1_000;
const collections = new Map<number, string>([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/** Registers them; once in a process. */
export function processMetrics(metrics: Metrics): void {
  collectUse(metrics);
  collectHeap(metrics);
  collectGarbage(metrics);
  collectEventLoop(metrics);
  collectLog(metrics);
}

function collectUse(metrics: Metrics): void {
  metrics.counter({
    name: 'process.cpu.time',
    unit: 's',
    help: 'Time of processors that the process used.',
    labels: ['cpu.mode'],
    read: () => {
      const { user, system } = process.cpuUsage();
      return [
        { labels: { cpu_mode: 'user' }, value: user / 1e6 },
        { labels: { cpu_mode: 'system' }, value: system / 1e6 },
      ];
    },
  });
  const gauge = (options: Required<Pick<MetricOptions, 'name' | 'unit' | 'help' | 'read'>>) =>
    metrics.gauge(options);
  gauge({
    name: 'process.memory.usage',
    unit: 'By',
    help: 'Memory of the machine that the process occupies.',
    // It opens a file, and the page is wanted most where none is left.
    read: () => readOrNone(() => process.memoryUsage.rss()),
  });
  gauge({
    name: 'postern.process.external_memory',
    unit: 'By',
    help: 'Memory outside of V8’s heap that hangs on objects in it, buffers included.',
    read: () => readOrNone(() => process.memoryUsage().external),
  });
  gauge({ name: 'process.uptime', unit: 's', help: 'Time since the start.', read: () => process.uptime() });
  gauge({
    name: 'process.unix.file_descriptor.count',
    unit: '{file_descriptor}',
    help: 'Files and sockets that are open; none where the system does not say.',
    read: () => readOrNone(() => openFiles()?.open ?? readdirSync('/proc/self/fd').length - 1),
  });
}

function readOrNone(read: () => number): Sample[] {
  try {
    return [{ value: read() }];
  } catch {
    return [];
  }
}

function collectHeap(metrics: Metrics): void {
  const labels = ['v8js.heap.space.name'];
  const spaces = (key: 'space_size' | 'space_used_size') => () =>
    getHeapSpaceStatistics().map((space) => ({
      labels: { v8js_heap_space_name: space.space_name },
      value: space[key],
    }));
  metrics.gauge({
    name: 'v8js.memory.heap.used',
    unit: 'By',
    help: 'V8’s heap in use, by space.',
    labels,
    read: spaces('space_used_size'),
  });
  metrics.gauge({
    name: 'v8js.memory.heap.limit',
    unit: 'By',
    help: 'V8’s heap as it is laid out, by space.',
    labels,
    read: spaces('space_size'),
  });
}

function collectGarbage(metrics: Metrics): void {
  const durations = metrics.durations({
    name: 'v8js.gc.duration',
    unit: 's',
    help: 'How long garbage collections took, by their kind.',
    labels: ['v8js.gc.type'],
    buckets: [0.01, 0.1, 1, 10],
  });
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as PerformanceEntry & { detail: { kind: number } }).detail;
      durations.observe(entry.duration / 1e3, collections.get(kind) ?? '_OTHER');
    }
  });
  observer.observe({ entryTypes: ['gc'] });
}

function collectEventLoop(metrics: Metrics): void {
  const histogram = monitorEventLoopDelay({ resolution: delayResolutionMs });
  histogram.enable();
  let last: Record<string, number> = {};
  let lastAt = -Infinity;
  // What is seen is since the last reading, less the resolution that Node counts in.
  const delays = (): Record<string, number> => {
    if (performance.now() - lastAt < delayFreshMs) return last;
    const seconds = (nanoseconds: number): number =>
      histogram.count > 0 ? Math.max(0, nanoseconds / 1e9 - delayResolutionMs / 1e3) : 0;
    last = {
      min: seconds(histogram.min),
      max: seconds(histogram.max),
      mean: seconds(histogram.mean),
      p50: seconds(histogram.percentile(50)),
      p90: seconds(histogram.percentile(90)),
      p99: seconds(histogram.percentile(99)),
    };
    histogram.reset();
    lastAt = performance.now();
    return last;
  };
  for (const key of ['min', 'max', 'mean', 'p50', 'p90', 'p99']) {
    metrics.gauge({
      name: `nodejs.eventloop.delay.${key}`,
      unit: 's',
      help: `How late the event loop was since the last reading: ${key}.`,
      read: () => delays()[key] ?? 0,
    });
  }
  let before = performance.eventLoopUtilization();
  metrics.gauge({
    name: 'nodejs.eventloop.utilization',
    unit: '1',
    help: 'The share of time that the event loop was busy since the last reading.',
    read: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
  });
}

function collectLog(metrics: Metrics): void {
  metrics.gauge({
    name: 'postern.log.failing',
    unit: '{log}',
    help: '1 since a line of the log could not be written, until one could; else 0.',
    read: () => Number(logCounts.failing),
  });
  metrics.counter({
    name: 'postern.log.lines_left_out',
    unit: '{line}',
    help: 'Lines of the log for which there was no room.',
    read: () => logCounts.linesLeftOut,
  });
}
