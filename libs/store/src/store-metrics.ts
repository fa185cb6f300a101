/** How a program's operations on its documents end, for programs that have documents. */
import type { Metrics } from '@postern/telemetry';
import { StoreError } from './store-error.ts';

/** Is told how each operation ended. */
export type OutcomeWatch = (outcome: string) => void;

/** Registers them; a store is given what comes back. */
export function storeMetrics(metrics: Metrics): OutcomeWatch {
  // A database that is gone, full or read-only is seen here first: owners read their documents each second.
  const operations = metrics.counter({
    name: 'postern.documents.operations',
    unit: '{operation}',
    help: 'Operations on this program’s documents, a transaction being one, by ok or the code of the store’s error.',
    labels: ['outcome'],
  });
  return (outcome) => operations.inc({ outcome });
}

/** Runs one operation and tells `watch` how it ended. What its caller refuses is not the store's failure. */
export async function watched<R>(watch: OutcomeWatch | undefined, operation: () => Promise<R>): Promise<R> {
  try {
    const result = await operation();
    watch?.('ok');
    return result;
  } catch (error) {
    watch?.(error instanceof StoreError ? error.code : 'ok');
    throw error;
  }
}
