/**
 * For services that start before their store does, or with it: work that needs the store is tried again while the store
 * is out of reach, or another clock is to be set, and only then; any other error is the caller's.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { StoreError, type StoreErrorCode } from './store-error.ts';

const retryMs = 1_000;
const passing: ReadonlySet<StoreErrorCode> = new Set([
  'STORE_CLOCK_OFF',
  'STORE_UNREACHABLE',
  'STORE_TIMEOUT',
  'STORE_OVERLOADED',
]);

/** Resolves with what `work` gives once the store could be reached; with null when the signal was aborted before. */
export async function untilReachable<R>(
  work: () => Promise<R>,
  options: { signal: AbortSignal; onRetry?: (error: StoreError) => void },
): Promise<R | null> {
  const { signal, onRetry } = options;
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof StoreError) || !passing.has(error.code)) throw error;
      onRetry?.(error);
      await wait(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return null;
}
