// Waiting for something that this process can only look at: a port in /proc, a process that ends.

import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait at most, what to call it when it never comes, and how often to look. */
export interface UntilOptions {
  readonly what: string;
  readonly timeoutMs: number;
  readonly everyMs?: number;
}

/** Resolves with the first answer that is not false or undefined; throws when the time is up. */
export async function until<T>(
  look: () => T | false | undefined | Promise<T | false | undefined>,
  { what, timeoutMs, everyMs = 25 }: UntilOptions,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await look();
    if (answer !== false && answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await sleep(everyMs);
  }
}
