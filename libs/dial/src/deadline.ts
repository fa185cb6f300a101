/** How long a dial may take in all, and signals for what is left of that. */

const waitMsMax = 2 ** 31 - 1;

/** The end of a dial's time, or none. */
export class Deadline {
  readonly #at: number | null;
  /** A timer may fire a hair before the clock says so. */
  #fired = false;

  /** 0 seconds wait for ever. */
  constructor(seconds: number) {
    this.#at = seconds === 0 ? null : performance.now() + seconds * 1000;
  }

  /** Milliseconds that are left, 1 at least: what has none left fails at once, by its own timer. */
  get leftMs(): number {
    return this.#at === null ? waitMsMax : Math.max(1, this.#at - performance.now());
  }

  /** Whether the time is over. */
  get passed(): boolean {
    return this.#fired || (this.#at !== null && performance.now() >= this.#at);
  }

  /** Runs `work` with a signal that ends with `outer` or with the time, whichever comes first. */
  async run<Result>(outer: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    outer.throwIfAborted();
    if (this.#at === null) return work(outer);
    const inner = new AbortController();
    const onAbort = (): void => inner.abort(outer.reason);
    outer.addEventListener('abort', onAbort);
    const timer = setTimeout(() => {
      this.#fired = true;
      inner.abort(timedOut());
    }, Math.ceil(this.leftMs));
    try {
      return await work(inner.signal);
    } finally {
      clearTimeout(timer);
      outer.removeEventListener('abort', onAbort);
    }
  }
}

/** As the system says it. */
export function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}
