/** Callers that never stop: exchanges through a front while something happens to the platform. */
import { type Endpoint, exchange } from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import { until } from './patience.ts';

/** As long as most exchanges take: callers that take all they get would keep the processors from who starts meanwhile. */
const apartMs = 25;

/** Load that runs, and what became of it. */
export interface Load extends AsyncDisposable {
  /** Resolves after so many more requests. */
  more(count: number): Promise<void>;
  /** Ends it; `failures` has the cause of each request that failed, `longestMs` is how long the slowest took. */
  stop(): Promise<{ done: number; failures: readonly string[]; longestMs: number }>;
}

/** Exchanges of every size through the balancer, a few at a time, until it is stopped. */
export function startLoad(front: Endpoint): Load {
  let [done, longestMs] = [0, 0];
  const stopping = new AbortController();
  const failures: string[] = [];
  const worker = async (seed: number): Promise<void> => {
    for (let turn = 0; !stopping.signal.aborted; turn += 1) {
      const bytes = ((turn % 4) ** 3 + 1) * 20_000;
      const result = await exchange(front, {
        sendBytes: bytes,
        receiveBytes: bytes,
        seed: seed + turn,
      });
      done += 1;
      longestMs = Math.max(longestMs, result.milliseconds);
      if (result.cause !== null) failures.push(result.cause);
      await passed(apartMs);
    }
  };
  const workers = Promise.all([1_000, 2_000, 3_000, 4_000].map(worker));
  const stop = async () => {
    stopping.abort();
    await workers;
    return { done, failures, longestMs };
  };
  return {
    more: async (count: number): Promise<void> => {
      const from = done;
      await until(`${count} more requests`, 30_000, () => done >= from + count);
    },
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}
