/** Waiting for a state that somebody shows: until it is there, within a bound. */
import { pause } from './pause.ts';

const PATIENCE_MS = 60_000;

/** Asks until the answer is as wanted, and resolves with it. */
export async function until<T>(ask: () => T | Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`it stays ${JSON.stringify(answer)}`);
    await pause();
  }
}
