/** How a program's operations on its documents end, for programs that have documents. */
import type { Metrics } from '@postern/telemetry';
import { StoreError } from './store-error.ts';

/** Is told how each operation ended, and how long it took. */
export type OutcomeWatch = (outcome: string, seconds: number) => void;

/** A near database answers within milliseconds; a program's questions have 5 s. */
const bucketsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Registers them; a store is given what comes back. */
export function storeMetrics(metrics: Metrics): OutcomeWatch {
  // A database that is gone, full or read-only is seen here first: owners read their documents each second.
  const operations = metrics.counter({
    name: 'postern.documents.operations',
    unit: '{operation}',
    help: 'Operations on this program’s documents, a transaction being one, by ok or the code of the store’s error.',
    labels: ['outcome'],
  });
  // One that is slow fails nothing here: the askers on the bus have given up by then.
  const durations = metrics.durations({
    name: 'postern.documents.operation.duration',
    unit: 's',
    help: 'How long operations on this program’s documents took that ended with ok.',
    labels: [],
    buckets: bucketsSeconds,
  });
  return (outcome, seconds) => {
    operations.inc({ outcome });
    if (outcome === 'ok') durations.observe(seconds);
  };
}

/** Registers how far a program's clock is off. */
export function clockMetrics(metrics: Metrics, differenceMs: () => number): void {
  // Nothing fails where another replica is right: this alone tells.
  metrics.gauge({
    name: 'postern.clock.difference',
    unit: 's',
    help: 'By how much this program’s clock is ahead of the database’s, negative where it is behind; looked at each minute.',
    read: () => differenceMs() / 1_000,
  });
}

/** Runs one operation and tells `watch` how it ended. What its caller refuses is not the store's failure. */
export async function watched<R>(watch: OutcomeWatch | undefined, operation: () => Promise<R>): Promise<R> {
  const startedAt = performance.now();
  const told = (outcome: string): void => watch?.(outcome, (performance.now() - startedAt) / 1_000);
  try {
    const result = await operation();
    told('ok');
    return result;
  } catch (error) {
    told(error instanceof StoreError ? error.code : 'ok');
    throw error;
  }
}
