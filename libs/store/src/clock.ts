/**
 * This process's clock beside the database's, which all replicas share. Which of the two is right nobody can know here; where
 * they differ, what cannot be taken back waits until both say the same.
 */
import { StoreError } from './store-error.ts';
import type { Store } from './store.ts';

/** So much two clocks may differ: as much as nodes allow a ticket. */
export const clockMarginMs = 5_000;

/**
 * The earlier of this process's time and the database's, in ms since 1970: by it an owner forgets what is over. By one clock
 * that is days ahead a replica would delete what the others still need, tokens and keys that are good.
 */
export async function timeOfAll(store: Pick<Store, 'time'>, now: number): Promise<number> {
  return Math.min(now, (await store.time()) ?? now);
}

/** By how many ms this process's clock is ahead of the database's, negative where it is behind; 0 where that cannot be told. */
export async function clockDifference(
  store: Pick<Store, 'time'>,
  now: () => number = Date.now,
): Promise<number> {
  const before = now();
  const time = await store.time();
  // The database said its time somewhere between question and answer.
  if (time === null || (time >= before && time <= now())) return 0;
  return time < before ? before - time : now() - time;
}

/** Whether the difference is one that harms. */
export function isClockOff(differenceMs: number): boolean {
  return Math.abs(differenceMs) >= clockMarginMs;
}

/** How far apart both are, for whoever is to set one of them. */
export function clockText(differenceMs: number): string {
  return `${Math.round(Math.abs(differenceMs) / 1000)} s ${differenceMs > 0 ? 'ahead of' : 'behind'} the database’s`;
}

/** Throws `STORE_CLOCK_OFF` while both differ: before what a wrong clock would make wrong for good. */
export async function demandClock(store: Pick<Store, 'time'>, now?: () => number): Promise<void> {
  const difference = await clockDifference(store, now);
  if (!isClockOff(difference)) return;
  throw new StoreError(
    'STORE_CLOCK_OFF',
    `this machine’s clock is ${clockText(difference)}: set the wrong one`,
  );
}
