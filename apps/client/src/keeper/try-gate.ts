/**
 * When the next try may be made, and how many were made in vain. A try is a first call, or a round of dials with a ticket
 * that is used again; a call that failed, and a round that brought no tunnel, each put the next off. A round counts once
 * for all tunnels that were dialled in it. What the platform asked for by Retry-After is never cut short.
 */
import { waitMs } from './backoff.ts';

/** The gate before the next try of one gateway. */
export class TryGate {
  readonly #random: () => number;
  #callInFlight = false;
  #notBefore = 0;
  #retryAfter = 0;
  #failures = 0;
  #roundFailed = false;
  #countSinceUp = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Whether a call is under way. */
  get callInFlight(): boolean {
    return this.#callInFlight;
  }

  /** When the next try may be made. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /** Whether a round has failed, and neither a call nor another round has followed. */
  get roundFailed(): boolean {
    return this.#roundFailed;
  }

  /** Tries for a tunnel that is missing since the last one came up. */
  get countSinceUp(): number {
    return this.#countSinceUp;
  }

  /** A call is made; `needed` for a tunnel that is missing, not for a better one. */
  startCall(needed: boolean): void {
    this.#callInFlight = true;
    if (needed) this.#countSinceUp += 1;
  }

  /** The call is over. */
  endCall(): void {
    this.#callInFlight = false;
    this.#roundFailed = false;
  }

  /** A round begins; it is a try of its own where it follows another without a call. */
  startRound(): void {
    if (this.#roundFailed) this.#countSinceUp += 1;
    this.#roundFailed = false;
  }

  /** Puts the next try off by one more failure. */
  postpone(now: number, retryAfterMs: number): void {
    this.#failures += 1;
    this.#retryAfter = Math.max(this.#retryAfter, now + retryAfterMs);
    this.#notBefore = Math.max(this.#retryAfter, now + waitMs(this.#failures, this.#random()));
  }

  /** A round of dials brought no tunnel. */
  postponeForRound(now: number, retryAfterMs: number): void {
    if (this.#roundFailed && retryAfterMs === 0) return;
    this.#roundFailed = true;
    this.postpone(now, retryAfterMs);
  }

  /** A tunnel was lost: what a try for a better one had to wait for does not hold up its replacement. */
  hurry(at: number): void {
    this.#notBefore = Math.max(this.#retryAfter, Math.min(this.#notBefore, at));
  }

  /** A tunnel is up: failures are forgotten. */
  handleUp(): void {
    this.#failures = 0;
    this.#countSinceUp = 0;
  }
}
