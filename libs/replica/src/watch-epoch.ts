/** For those who hold what was made of an owner's documents, such as a certificate by its CA: told when they were restored. */
import type { Bus, Subscription } from '@postern/bus';
import { type Feed, listen } from '@postern/contracts';

/** Calls back at each beat of another epoch than the one before it. */
export function watchEpoch(
  bus: Bus,
  feed: Feed,
  onRestored: () => void,
  onError: (error: unknown) => void,
): Subscription {
  let known: string | null = null;
  return listen(
    bus,
    feed.beat,
    ({ epoch }) => {
      const isOther = known !== null && known !== epoch;
      known = epoch;
      if (isOther) onRestored();
    },
    onError,
  );
}
