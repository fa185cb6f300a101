/** Acknowledgements of little, which wait for more but not long: those of all paths of a session go out together. */
import type { Clock } from '../clock.ts';

/** What may have one. */
export interface Acknowledger {
  /** Where its acknowledgement waits; null where none does. Whoever it waits with sets it. */
  acknowledgesIn: LateAcknowledgements | null;
  /** The delay for an acknowledgement is over. */
  acknowledge(): void;
}

/** One per session. */
export class LateAcknowledgements {
  readonly #clock: Clock;
  readonly #delayMs: number;
  #paths: Acknowledger[] = [];
  #stopTimer: (() => void) | null = null;

  constructor(clock: Clock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** It has something to acknowledge. */
  add(path: Acknowledger): void {
    if (path.acknowledgesIn === this) return;
    path.acknowledgesIn = this;
    this.#paths.push(path);
    this.#stopTimer ??= this.#clock.after(this.#delayMs, () => {
      this.#stopTimer = null;
      const paths = this.#paths;
      this.#paths = [];
      for (const one of paths) {
        if (one.acknowledgesIn !== this) continue;
        one.acknowledgesIn = null;
        one.acknowledge();
      }
    });
  }

  /** It has left the session. */
  delete(path: Acknowledger): void {
    if (path.acknowledgesIn === this) path.acknowledgesIn = null;
  }

  /** Nothing goes out any more. */
  stop(): void {
    this.#stopTimer?.();
    this.#paths = [];
  }
}
