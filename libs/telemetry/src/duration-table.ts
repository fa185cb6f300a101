/**
 * How long things took, counted in plain numbers: one row for each combination of labels, a few additions for each
 * observation, and no object. prom-client's own histogram hashes its labels at each call, which costs a busy front more
 * than the rest of its counting. Rows are bounded; what finds no room is counted in one row of `_OTHER`.
 */
import { labelName } from './metric-name.ts';

/** Rows of one table. */
export const durationRowsMax = 1_000;
const other = '_OTHER';

/** What a table is made with. */
export interface DurationOptions {
  name: string;
  unit: 's';
  help: string;
  labels: readonly string[];
  /** Upper bounds in seconds, rising. */
  buckets: readonly number[];
}

interface Row {
  readonly values: readonly string[];
  /** One for each bucket, and one for what is longer; not added up. */
  readonly counts: number[];
  sum: number;
}

/** Durations of one service. */
export class DurationTable {
  readonly labels: readonly string[];
  readonly buckets: readonly number[];
  readonly #rows = new Map<string, Row>();
  /** The row that was counted in last: mostly the next is of the same. */
  #last: Row | null = null;

  constructor({ labels, buckets }: Pick<DurationOptions, 'labels' | 'buckets'>) {
    this.labels = labels.map(labelName);
    this.buckets = buckets;
  }

  /** Counts one; `values` are the labels' in their order. */
  observe(seconds: number, ...values: string[]): void {
    const row = this.#rowOf(values);
    let bucket = 0;
    while (bucket < this.buckets.length && seconds > (this.buckets[bucket] as number)) bucket += 1;
    row.counts[bucket] = (row.counts[bucket] as number) + 1;
    row.sum += seconds;
  }

  /** The rows as they are now. */
  *rows(): Iterable<Row> {
    yield* this.#rows.values();
  }

  #rowOf(values: readonly string[]): Row {
    if (this.#last === null || !isSame(this.#last.values, values))
      this.#last = this.#rows.get(values.join('\n')) ?? this.#addRow(values);
    return this.#last;
  }

  #addRow(given: readonly string[]): Row {
    const values = this.#rows.size < durationRowsMax ? given : this.labels.map(() => other);
    const key = values.join('\n');
    const row = this.#rows.get(key) ?? { values, counts: this.buckets.map(() => 0).concat(0), sum: 0 };
    this.#rows.set(key, row);
    return row;
  }
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  for (let index = 0; index < some.length; index += 1) {
    if (some[index] !== others[index]) return false;
  }
  return true;
}

/** Tables as a histogram of Prometheus: what prom-client's registry asks of a metric. */
export class DurationHistogram {
  readonly name: string;
  readonly help: string;
  readonly #tables: readonly DurationTable[];

  constructor({ name, help }: { name: string; help: string }, tables: readonly DurationTable[]) {
    this.name = name;
    this.help = help;
    this.#tables = tables;
  }

  async get() {
    const values = this.#tables.flatMap((table) =>
      [...table.rows()].flatMap((row) => this.#valuesOf(table, row)),
    );
    return { name: this.name, help: this.help, type: 'histogram', values, aggregator: 'sum' };
  }

  #valuesOf(table: DurationTable, { values, counts, sum }: Row) {
    const labels = Object.fromEntries(
      table.labels.flatMap((name, index) => (values[index] ? [[name, values[index]]] : [])),
    );
    let total = 0;
    const buckets = counts.map((count, index) => {
      total += count;
      const le = table.buckets[index] ?? '+Inf';
      return { labels: { le, ...labels }, value: total, metricName: `${this.name}_bucket` };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value: total, metricName: `${this.name}_count` },
    ];
  }
}
