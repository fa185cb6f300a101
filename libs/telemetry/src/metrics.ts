/**
 * A program's metrics in a registry of its own, so that several services in one process (standalone, tests) never meet
 * in a global one. The data path counts in plain numbers; `counter` and `gauge` with `read` fetch them when scraped.
 */
import assert from 'node:assert/strict';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export type { Counter, Gauge, Histogram } from 'prom-client';

/** One value of a metric that is read when scraped. */
export interface Sample {
  value: number;
  labels?: Record<string, string>;
}

/** A metric's name (`postern_…`), help, labels and, where it is read when scraped, how. */
export interface MetricOptions {
  name: string;
  help: string;
  labels?: readonly string[];
  /** The value or values now; then nobody else may change the metric. */
  read?: () => number | readonly Sample[];
}

/** Makes metrics and shows them all. */
export class Metrics {
  readonly #registry = new Registry();

  /** Event loop, memory, garbage collection and CPU of the process; once per process. */
  collectProcess(): this {
    collectDefaultMetrics({ register: this.#registry });
    return this;
  }

  /** A number that only grows. Its name ends in `_total`. */
  counter(options: MetricOptions): Counter {
    const { read } = options;
    return new Counter({
      ...this.#common(options),
      ...(read === undefined
        ? {}
        : {
            collect(this: Counter) {
              this.reset();
              for (const { labels = {}, value } of samplesOf(read)) this.inc(labels, value);
            },
          }),
    });
  }

  /** A number that goes up and down. */
  gauge(options: MetricOptions): Gauge {
    const { read } = options;
    return new Gauge({
      ...this.#common(options),
      ...(read === undefined
        ? {}
        : {
            collect(this: Gauge) {
              this.reset();
              for (const { labels = {}, value } of samplesOf(read)) this.set(labels, value);
            },
          }),
    });
  }

  /** How values spread over buckets. Durations are in seconds. */
  histogram(options: Omit<MetricOptions, 'read'> & { buckets: number[] }): Histogram {
    return new Histogram({ ...this.#common(options), buckets: options.buckets });
  }

  /** All of them in Prometheus' text format. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #common(options: MetricOptions): {
    name: string;
    help: string;
    labelNames: string[];
    registers: Registry[];
  } {
    assert(options.name.startsWith('postern_'), `metric ${options.name} begins with postern_`);
    return {
      name: options.name,
      help: options.help,
      labelNames: [...(options.labels ?? [])],
      registers: [this.#registry],
    };
  }
}

function samplesOf(read: () => number | readonly Sample[]): readonly Sample[] {
  const value = read();
  return typeof value === 'number' ? [{ value }] : value;
}
