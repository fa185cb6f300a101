/**
 * Whether this machine's clock is the database's. Tickets, tokens and certificates are made and judged by it: nodes refuse all
 * tickets of an acl whose clock is off, and its tokens end at another time. Which of both clocks is right nobody can know
 * here, so it is told; services stand aside while another replica of them is right (`Attendance` of libs/replica).
 */
import { clockDifference, clockText, isClockOff, type Store } from '@postern/store';
import type { Logger } from '@postern/telemetry';

const lookEveryMs = 60_000;

/** Looks now and every minute, until it is closed; tells the difference in ms each time, and warns while it is one that harms. */
export function watchClock(
  store: Pick<Store, 'time'>,
  logger: Pick<Logger, 'warn'>,
  onDifference: (differenceMs: number) => void,
): { close(): void } {
  const tell = (differenceMs: number): void => {
    onDifference(differenceMs);
    if (!isClockOff(differenceMs)) return;
    logger.warn(
      { subsystem: 'clock', seconds: Math.round(differenceMs / 1000) },
      `this machine’s clock is ${clockText(differenceMs)}: where it is wrong, so are tickets, tokens and certificates`,
    );
  };
  // A store that is out of reach is told of by others.
  const look = (): void => void clockDifference(store).then(tell, () => undefined);
  look();
  const timer = setInterval(look, lookEveryMs).unref();
  return { close: () => clearInterval(timer) };
}
