/**
 * Deadlines that the product promises (2 s, 5 s) are asserted as they are on an idle machine. CI machines may be slow or
 * shared, so whoever runs the tests there sets POSTERN_TEST_PATIENCE to a factor by which each of them is longer.
 */
import { pause } from '@postern/test-kit';

/** The factor; 1 unless it is set. */
export const patience = Math.max(1, Number(process.env['POSTERN_TEST_PATIENCE'] ?? 1) || 1);

/** What is awaited has to come within a promised time; the error says what did not, and resolves with the time it took. */
export async function inTime(what: string, promisedMs: number, awaited: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const withinMs = promisedMs * patience;
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${withinMs} ms`)), withinMs);
  try {
    await Promise.race([awaited, promise]);
  } finally {
    clearTimeout(timer);
  }
  return performance.now() - startedAt;
}

/** Asks until the answer is neither null nor false, and resolves with it; rejects with the last answer or error at the deadline. */
export async function until<T>(
  what: string,
  promisedMs: number,
  ask: () => T | null | false | Promise<T | null | false>,
): Promise<T> {
  const deadline = performance.now() + promisedMs * patience;
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (answer !== null && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${promisedMs * patience} ms`, { cause: last });
    }
    await pause();
  }
}
