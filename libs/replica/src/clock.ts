/** Time as the replicas see it, passed in so that tests own it. */
export interface Clock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Calls back again and again; the returned function ends that. */
  every(intervalMs: number, callback: () => void): () => void;
}

/** The process' own. */
export const systemClock: Clock = {
  now: () => performance.now(),
  every: (intervalMs, callback) => {
    const timer = setInterval(callback, intervalMs);
    return () => clearInterval(timer);
  },
};
