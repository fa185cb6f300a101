/**
 * Whether this machine's clock is the database's. Tickets, tokens and certificates are made and judged by it: nodes refuse all
 * tickets of an acl whose clock is off, its tokens end at another time, and a certstore's CA may begin next year. Which of
 * both clocks is right nobody can know here, so it is only told.
 */
import type { Store } from '@postern/store';
import type { Logger } from '@postern/telemetry';

/** As much as nodes allow a ticket. */
export const clockMarginMs = 5_000;
const lookEveryMs = 60_000;

/** Looks now and every minute, until it is closed; warns while both differ. */
export function watchClock(store: Pick<Store, 'time'>, logger: Pick<Logger, 'warn'>): { close(): void } {
  const look = (): void => {
    const before = Date.now();
    // A store that is out of reach is told of by others.
    store.time().then(
      (time) => tell(before, time, logger),
      () => undefined,
    );
  };
  look();
  const timer = setInterval(look, lookEveryMs).unref();
  return { close: () => clearInterval(timer) };
}

/** The database said its time somewhere between question and answer. */
function tell(before: number, time: number | null, logger: Pick<Logger, 'warn'>): void {
  if (time === null) return;
  const [ahead, behind] = [before - time, time - Date.now()];
  if (Math.max(ahead, behind) < clockMarginMs) return;
  const seconds = Math.round(Math.max(ahead, behind) / 1000);
  const how = ahead > behind ? 'ahead of' : 'behind';
  logger.warn(
    { subsystem: 'clock', seconds },
    `this machine’s clock is ${seconds} s ${how} the database’s: where it is wrong, so are tickets, tokens and certificates`,
  );
}
