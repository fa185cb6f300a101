/**
 * How long to wait before the next try: at once but for a little jitter, then full jitter below a ceiling that doubles
 * up to 5 s. The jitter keeps a thousand clients that lost the same node from coming back in the same instant.
 */

/** The longest wait between two tries, in milliseconds. */
export const waitMsMax = 5000;

const firstWaitMsMax = 100;

/** The wait after this many failures in a row; `random` is in [0, 1). */
export function waitMs(failures: number, random: number): number {
  const ceiling = Math.min(waitMsMax, firstWaitMsMax * 2 ** Math.min(failures, 16));
  return Math.floor(random * ceiling);
}

/** A wait around `targetMs` (75–125 %), for what is repeated without haste. */
export function spreadMs(targetMs: number, random: number): number {
  return Math.floor(targetMs * (0.75 + random / 2));
}
