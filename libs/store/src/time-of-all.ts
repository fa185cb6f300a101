/**
 * The time by which an owner may forget what is over. By one clock that is days ahead a replica would delete what the others
 * still need, tokens and keys that are good; so the database's clock has to say the same.
 */
import type { Store } from './store.ts';

/** The earlier of this process's time and the database's, in ms since 1970. */
export async function timeOfAll(store: Pick<Store, 'time'>, now: number): Promise<number> {
  return Math.min(now, (await store.time()) ?? now);
}
