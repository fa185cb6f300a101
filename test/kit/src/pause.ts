/** The reasons for which a test lets time pass; any state of this process is awaited by an event. */

const PAUSE_MS = 20;

/** Between two questions to another process, which tells nobody when its answer becomes another. */
export function pause(): Promise<void> {
  return passed(PAUSE_MS);
}

/**
 * How long a fault lasts, in milliseconds (a network that is gone for 20 s), or a caller rests between two exchanges: never to
 * wait for a state.
 */
export function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
