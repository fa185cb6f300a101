/**
 * Time as the tunnel sees it, passed in so that tests can turn it. `soon` runs once what has already arrived
 * in this turn of the event loop has been handled: that is where output is flushed, once per turn.
 */
export interface Clock {
  /** Milliseconds that never go back, with fractions. */
  now(): number;
  soon(work: () => void): void;
  /** Runs `work` again and again until the returned function is called. Does not keep the process alive. */
  every(intervalMs: number, work: () => void): () => void;
  /** Runs `work` once unless the returned function is called before. Does not keep the process alive. */
  after(delayMs: number, work: () => void): () => void;
}

/** The process's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  soon: (work) => {
    setImmediate(work);
  },
  every(intervalMs, work) {
    const timer = setInterval(work, intervalMs).unref();
    return () => clearInterval(timer);
  },
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs).unref();
    return () => clearTimeout(timer);
  },
};
