/** Acknowledgements of little, which wait for more but not long: those of all paths of a session go out together. */
import type { Clock } from '../clock.ts';
import type { PathEnd } from './path-end.ts';

/** One per session. */
export class LateAcknowledgements {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #paths = new Set<PathEnd>();
  #stopTimer: (() => void) | null = null;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** It has something to acknowledge. */
  add(path: PathEnd): void {
    this.#paths.add(path);
    this.#stopTimer ??= this.#clock.after(this.#delayMs, () => {
      this.#stopTimer = null;
      const paths = [...this.#paths];
      this.#paths.clear();
      for (const one of paths) one.acknowledge();
    });
  }

  /** It has left the session. */
  delete(path: PathEnd): void {
    this.#paths.delete(path);
  }

  /** Nothing goes out any more. */
  stop(): void {
    this.#stopTimer?.();
    this.#paths.clear();
  }
}
