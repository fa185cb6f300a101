/**
 * Things that are used again instead of being made anew, the one used last first. What lay idle goes, by halves, so that
 * a pool is as large as what was needed lately, and its bound only cuts peaks.
 *
 *     take ◄── [ idle since the last trimming | … ] ◄── put
 */

const trimAfterMs = 5_000;
const pools = new Set<Pool<unknown>>();
let trimming: NodeJS.Timeout | null = null;

/** Free things of one kind. */
export class Pool<T> {
  readonly #max: number;
  readonly #free: T[] = [];
  /** The fewest there were since the last trimming: so many were not needed. */
  #idle = 0;

  /** Keeps at most `max`. */
  constructor(max: number) {
    this.#max = max;
  }

  /** One that nobody has; undefined where there is none. */
  take(): T | undefined {
    const one = this.#free.pop();
    if (this.#free.length < this.#idle) this.#idle = this.#free.length;
    return one;
  }

  /** Gives one back, once, when nobody uses it any more. */
  put(one: T): void {
    if (this.#free.length >= this.#max) return;
    this.#free.push(one);
    pools.add(this);
    trimming ??= setInterval(trimAll, trimAfterMs).unref();
  }

  /** Lets half of what was not needed go; returns whether anything is left. */
  trim(): boolean {
    this.#free.length -= Math.ceil(this.#idle / 2);
    this.#idle = this.#free.length;
    return this.#idle > 0;
  }
}

function trimAll(): void {
  for (const pool of pools) if (!pool.trim()) pools.delete(pool);
  if (pools.size > 0 || trimming === null) return;
  clearInterval(trimming);
  trimming = null;
}
