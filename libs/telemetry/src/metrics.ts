/**
 * A program's metrics in a registry of its own, so that several services in one process (standalone, tests) never meet
 * in a global one. Names, units and labels are OpenTelemetry's; Prometheus gets them by the rules of its data model
 * (`metric-name.ts`), OTLP as they are. The data path counts in plain numbers, which are read when they are asked for.
 *
 * What two services of one process both have (`http.server.request.duration`) is one metric with the values of both.
 */
import assert from 'node:assert/strict';
import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import { type DurationOptions, DurationHistogram, DurationTable } from './duration-table.ts';
import { type MetricKind, labelName, metricName } from './metric-name.ts';

export type { Counter, Gauge } from 'prom-client';

/** One value of a metric that is read when scraped; labels by their names in Prometheus. */
export interface Sample {
  value: number;
  labels?: Record<string, string>;
}

/** A metric's name (`postern.…`, or one of OpenTelemetry's conventions), unit, help, labels and how it is read. */
export interface MetricOptions {
  name: string;
  /** UCUM: `s`, `By`, `1`; in braces what is counted, such as `{tunnel}`. */
  unit: string;
  help: string;
  /** As attributes of OpenTelemetry; in Prometheus, and in calls, with `_` for `.`. */
  labels?: readonly string[];
  /** The value or values now; then nobody else may change the metric. */
  read?: () => number | readonly Sample[];
}

/** A metric as docs and exporters see it. */
export interface MetricDescription extends Readonly<Omit<MetricOptions, 'read' | 'labels'>> {
  readonly kind: MetricKind;
  readonly labels: readonly string[];
  /** Its name at /metrics. */
  readonly prometheusName: string;
}

/** A metric with its values now. */
export interface MetricReading {
  readonly description: MetricDescription;
  readonly values: readonly { value: number; labels: Record<string, string | number>; metricName?: string }[];
}

type Read = NonNullable<MetricOptions['read']>;
interface Known {
  readonly description: MetricDescription;
  readonly metric: Metric;
  readonly reads: Read[];
  readonly tables: DurationTable[];
}

/** Makes metrics and shows them all. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #known = new Map<string, Known>();

  /** A number that only grows. */
  counter(options: MetricOptions): Counter {
    const make = (common: Common, reads: Read[]) => new Counter({ ...common, collect: collectorOf(reads) });
    return this.#add('counter', options, make) as Counter;
  }

  /** A number that goes up and down. */
  gauge(options: MetricOptions): Gauge {
    const make = (common: Common, reads: Read[]) => new Gauge({ ...common, collect: collectorOf(reads) });
    return this.#add('gauge', options, make) as Gauge;
  }

  /** How many seconds things took, by labels and in buckets. */
  durations(options: DurationOptions): DurationTable {
    const known = this.#describe('histogram', options, (common, { tables }) => {
      const histogram = new DurationHistogram(common, tables) as unknown as Metric;
      this.#registry.registerMetric(histogram);
      return histogram;
    });
    const table = new DurationTable(options);
    known.tables.push(table);
    return table;
  }

  /** All of them in Prometheus' text format. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** What there is, by name. */
  list(): MetricDescription[] {
    return [...this.#known.values()]
      .map(({ description }) => description)
      .toSorted((one, other) => one.name.localeCompare(other.name));
  }

  /** All values now, for an exporter. */
  async read(): Promise<MetricReading[]> {
    return Promise.all(
      [...this.#known.values()].map(async ({ description, metric }) => {
        const { values } = await (metric as { get(): Promise<Pick<MetricReading, 'values'>> }).get();
        return { description, values };
      }),
    );
  }

  #add(kind: MetricKind, options: MetricOptions, make: (common: Common, reads: Read[]) => Metric): Metric {
    const before = this.#known.has(options.name);
    const known = this.#describe(kind, options, (common, { reads }) => make(common, reads));
    assert(!before || options.read !== undefined, `metric ${options.name} is there already`);
    if (options.read !== undefined) known.reads.push(options.read);
    return known.metric;
  }

  #describe(
    kind: MetricKind,
    options: MetricOptions,
    make: (common: Common, lists: Pick<Known, 'reads' | 'tables'>) => Metric,
  ): Known {
    const { name, unit, help, labels = [] } = options;
    assert(
      /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/.test(name),
      `metric ${name} is named like postern.edge.tunnels`,
    );
    const found = this.#known.get(name);
    if (found !== undefined) return found;
    const description = { name, unit, help, kind, labels, prometheusName: metricName(name, unit, kind) };
    const lists = { reads: [], tables: [] };
    const common: Common = {
      name: description.prometheusName,
      help,
      labelNames: labels.map(labelName),
      registers: [this.#registry],
    };
    const known: Known = { description, ...lists, metric: make(common, lists) };
    this.#known.set(name, known);
    return known;
  }
}

interface Common {
  name: string;
  help: string;
  labelNames: string[];
  registers: Registry[];
}

/** What prom-client calls before it shows the metric. */
function collectorOf(reads: readonly Read[]) {
  return function collect(this: Counter | Gauge): void {
    if (reads.length === 0) return;
    this.reset();
    for (const { labels = {}, value } of samplesOf(reads)) this.inc(labels, value);
  };
}

function samplesOf(reads: readonly Read[]): Sample[] {
  return reads.flatMap((read) => {
    const value = read();
    return typeof value === 'number' ? [{ value }] : value;
  });
}
