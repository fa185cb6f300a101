/**
 * Things that are used again instead of being made anew, the one used last first. What lay idle goes, by halves, so that
 * a pool is as large as what was needed lately, and its bound only cuts peaks.
 *
 *     take ◄── [ idle since the last trimming | … ] ◄── put
 */

const trimAfterMs = 5_000;
const pools = new Set<Pool<unknown>>();
let trimming: NodeJS.Timeout | null = null;

/** A bound that several pools have together. Things in it count as `Pool` was told, in any one unit. */
export class PoolBound {
  readonly #max: number;
  #kept = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one that is to be kept; returns false, and counts nothing, when there is no room for it. */
  add(size: number): boolean {
    if (this.#kept + size > this.#max) return false;
    this.#kept += size;
    return true;
  }

  /** So much is kept no longer. */
  remove(size: number): void {
    this.#kept -= size;
  }
}

/** Free things of one kind. */
export class Pool<T> {
  readonly #bound: PoolBound;
  readonly #size: number;
  readonly #free: T[] = [];
  /** The fewest there were since the last trimming: so many were not needed. */
  #idle = 0;

  /** Keeps as many as `bound` has room for, where each counts `size`. */
  constructor(bound: PoolBound, size = 1) {
    this.#bound = bound;
    this.#size = size;
  }

  /** One that nobody has; undefined where there is none. */
  take(): T | undefined {
    const one = this.#free.pop();
    if (one !== undefined) this.#bound.remove(this.#size);
    if (this.#free.length < this.#idle) this.#idle = this.#free.length;
    return one;
  }

  /** Gives one back, once, when nobody uses it any more. */
  put(one: T): void {
    if (!this.#bound.add(this.#size)) return;
    this.#free.push(one);
    pools.add(this);
    trimming ??= setInterval(trimAll, trimAfterMs).unref();
  }

  /** Lets half of what was not needed go; returns whether anything is left. */
  trim(): boolean {
    const gone = Math.ceil(this.#idle / 2);
    this.#free.length -= gone;
    this.#bound.remove(gone * this.#size);
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
