/**
 * Lookups of names by the system. The system's resolver blocks a thread of Node's pool for each, ten seconds or more where no
 * name server answers, whether or not anybody waits for it still; half of the pool does lookups, and what comes then waits
 * behind them, the way to the platform too. So here a name is looked up once for all who ask while it is, and an owner (a
 * gateway) has no more threads than are left free, and names that were slow the last time no more than two of these. What
 * waits for a thread leaves with the last who asked.
 *
 *     asked ──a thread is free──► looked up ──► all who asked
 *       └──────the last one left──► forgotten
 */
import { lookup } from 'node:dns/promises';

/** Node's own four would do two lookups at once. The pool is made at its first use, which is after this. */
process.env['UV_THREADPOOL_SIZE'] ??= '16';

/** One less than the pool does, for names that are not looked up here. */
const lookupsMax = Math.max(1, Math.ceil((Number(process.env['UV_THREADPOOL_SIZE']) || 4) / 2) - 1);
const slowMs = 1_000;
const slowPerOwnerMax = 2;
/** How many slow names are known. */
const slowMax = 4_096;

/** Every address of a name, in the system's order. */
export type SystemLookup = (host: string) => Promise<string[]>;

interface Lookup {
  readonly key: string;
  readonly owner: string;
  readonly host: string;
  readonly found: PromiseWithResolvers<string[]>;
  askers: number;
}

const bySystem: SystemLookup = async (host) =>
  (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);

/** One for a process. */
export class Lookups {
  readonly #find: SystemLookup;
  readonly #now: () => number;
  /** In the order in which they were asked for. */
  readonly #lookups = new Map<string, Lookup>();
  readonly #running = new Set<Lookup>();
  /** Keys of names that were slow the last time. */
  readonly #slow = new Set<string>();

  /** `now` in milliseconds. */
  constructor(find: SystemLookup = bySystem, now = () => performance.now()) {
    this.#find = find;
    this.#now = now;
  }

  /** Every address of a name; rejects with the system's error, or the signal's reason. */
  async find(owner: string, host: string, signal: AbortSignal): Promise<string[]> {
    signal.throwIfAborted();
    const key = `${owner} ${host}`;
    const asked = this.#lookups.get(key) ?? this.#ask(key, owner, host);
    asked.askers += 1;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race([asked.found.promise, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      asked.askers -= 1;
      if (asked.askers === 0 && !this.#running.has(asked)) this.#lookups.delete(key);
    }
  }

  #ask(key: string, owner: string, host: string): Lookup {
    const asked = { key, owner, host, found: Promise.withResolvers<string[]>(), askers: 0 };
    this.#lookups.set(key, asked);
    this.#startNext();
    return asked;
  }

  #startNext(): void {
    for (const lookup of this.#lookups.values()) {
      if (this.#running.size === lookupsMax) return;
      if (!this.#running.has(lookup) && this.#mayStart(lookup)) void this.#run(lookup);
    }
  }

  #mayStart({ key, owner }: Lookup): boolean {
    const own = [...this.#running].filter((one) => one.owner === owner);
    if (own.length >= lookupsMax - this.#running.size) return false;
    return !this.#slow.has(key) || own.filter((one) => this.#slow.has(one.key)).length < slowPerOwnerMax;
  }

  async #run(lookup: Lookup): Promise<void> {
    const { key, host, found } = lookup;
    this.#running.add(lookup);
    const since = this.#now();
    try {
      found.resolve(await this.#find(host));
    } catch (error) {
      // Nobody may wait for it any more.
      found.promise.catch(() => {});
      found.reject(error);
    } finally {
      this.#running.delete(lookup);
      this.#lookups.delete(key);
      this.#remember(key, this.#now() - since >= slowMs);
      this.#startNext();
    }
  }

  #remember(key: string, wasSlow: boolean): void {
    this.#slow.delete(key);
    if (!wasSlow) return;
    this.#slow.add(key);
    for (const oldest of this.#slow) {
      if (this.#slow.size <= slowMax) return;
      this.#slow.delete(oldest);
    }
  }
}
