/**
 * Lookups of names by the system. The system's resolver blocks a thread of Node's pool for each, ten seconds or more where no
 * name server answers, whether or not anybody waits for it still; half of the pool does lookups, and what comes then waits
 * behind them, the way to the platform too. So here a name is looked up once for all who ask while it is, and an owner (a
 * gateway) has no more threads than are left free. What waits for a thread leaves with the last who asked.
 *
 *     asked ──a thread is free──► looked up ──► all who asked
 *       └──────the last one left──► forgotten
 */
import { lookup } from 'node:dns/promises';

/** Node's own four would do two lookups at once. The pool is made at its first use, which is after this. */
const poolThreads = 16;
process.env['UV_THREADPOOL_SIZE'] ??= String(poolThreads);

/** One less than the pool does, for names that are not looked up here. */
const lookupsMax = poolThreads / 2 - 1;

/** Every address of a name, in the system's order. */
export type SystemLookup = (host: string) => Promise<string[]>;

interface Lookup {
  readonly owner: string;
  readonly host: string;
  readonly found: PromiseWithResolvers<string[]>;
  askers: number;
  running: boolean;
}

const bySystem: SystemLookup = async (host) =>
  (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);

/** One for a process. */
export class Lookups {
  readonly #find: SystemLookup;
  /** In the order in which they were asked for. */
  readonly #lookups = new Map<string, Lookup>();
  readonly #runningOf = new Map<string, number>();
  #running = 0;

  constructor(find: SystemLookup = bySystem) {
    this.#find = find;
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
      if (asked.askers === 0 && !asked.running) this.#lookups.delete(key);
    }
  }

  #ask(key: string, owner: string, host: string): Lookup {
    const asked = { owner, host, found: Promise.withResolvers<string[]>(), askers: 0, running: false };
    this.#lookups.set(key, asked);
    this.#startNext();
    return asked;
  }

  #startNext(): void {
    if (this.#running === lookupsMax) return;
    for (const [key, lookup] of this.#lookups)
      if (!lookup.running && this.#ownBy(lookup.owner) < lookupsMax - this.#running)
        void this.#run(key, lookup);
  }

  async #run(key: string, lookup: Lookup): Promise<void> {
    const { owner, host, found } = lookup;
    lookup.running = true;
    this.#count(owner, 1);
    try {
      found.resolve(await this.#find(host));
    } catch (error) {
      // Nobody may wait for it any more.
      found.promise.catch(() => {});
      found.reject(error);
    } finally {
      this.#count(owner, -1);
      this.#lookups.delete(key);
      this.#startNext();
    }
  }

  #ownBy(owner: string): number {
    return this.#runningOf.get(owner) ?? 0;
  }

  #count(owner: string, change: 1 | -1): void {
    this.#running += change;
    const own = this.#ownBy(owner) + change;
    if (own === 0) this.#runningOf.delete(owner);
    else this.#runningOf.set(owner, own);
  }
}
