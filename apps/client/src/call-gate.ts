/**
 * When the next first call may be made, and how many were made in vain. A call that failed, and a round of dials that
 * brought no tunnel, each put it off; a round counts once for all tunnels that were dialled after the same call. What the
 * platform asked for by Retry-After is never cut short.
 */
import { waitMs } from './backoff.ts';

/** The gate before the first call of one gateway. */
export class CallGate {
  readonly #random: () => number;
  #inFlight = false;
  #notBefore = 0;
  #retryAfter = 0;
  #failures = 0;
  #roundFailed = false;
  #countSinceUp = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Whether a call is under way. */
  get inFlight(): boolean {
    return this.#inFlight;
  }

  /** When the next one may be made. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /** Calls that were needed for a tunnel since the last one came up. */
  get countSinceUp(): number {
    return this.#countSinceUp;
  }

  /** A call is made; `needed` for a tunnel that is missing, not for a better one. */
  start(needed: boolean): void {
    this.#inFlight = true;
    if (needed) this.#countSinceUp += 1;
  }

  /** The call is over. */
  end(): void {
    this.#inFlight = false;
    this.#roundFailed = false;
  }

  /** Puts the next call off by one more failure. */
  postpone(now: number, retryAfterMs: number): void {
    this.#failures += 1;
    this.#retryAfter = now + retryAfterMs;
    this.#notBefore = Math.max(this.#retryAfter, now + waitMs(this.#failures, this.#random()));
  }

  /** A round of dials brought no tunnel. */
  postponeForRound(now: number, retryAfterMs: number): void {
    if (this.#roundFailed && retryAfterMs === 0) return;
    this.#roundFailed = true;
    this.postpone(now, retryAfterMs);
  }

  /** A tunnel was lost: what a call for a better one had to wait for does not hold up its replacement. */
  hurry(at: number): void {
    this.#notBefore = Math.max(this.#retryAfter, Math.min(this.#notBefore, at));
  }

  /** A tunnel is up: failures are forgotten. */
  handleUp(): void {
    this.#failures = 0;
    this.#countSinceUp = 0;
  }
}
