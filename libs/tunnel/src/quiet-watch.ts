/**
 * Finds out soon whether the peer of a session is there when a path begins or speaks on it, and tells the paths while it is
 * not (docs/PROTOCOL.md, "Quiet"). It asks at once where nothing has come for a while, else a while later; one timer serves
 * all that is said meanwhile, so a session that is answered costs one a second.
 */
import type { Clock } from './clock.ts';
import type { Keepalive } from './keepalive.ts';
import type { Limits } from './limit.ts';

/** What it needs of the session. */
export interface QuietWatchParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly keepalive: Keepalive;
  readonly sendPing: () => void;
  /** Tells the paths that there are; false when there is none any more. */
  readonly tellPaths: (isQuiet: boolean) => boolean;
}

/** One per session. */
export class QuietWatch {
  readonly #parts: QuietWatchParts;
  #stopTimer: (() => void) | null = null;
  /** Something was said since the timer was set. */
  #saidMore = false;

  constructor(parts: QuietWatchParts) {
    this.#parts = parts;
  }

  /** A path begins, or has something to say. */
  begin(): void {
    if (this.#stopTimer !== null) {
      this.#saidMore = true;
      return;
    }
    this.#saidMore = false;
    const { clock, limits, keepalive, sendPing } = this.#parts;
    const since = clock.now();
    if (since - keepalive.heardAt >= limits.quietAfterMs && !keepalive.isAsked) sendPing();
    this.#stopTimer = clock.after(limits.quietAfterMs, () => this.#look(since));
  }

  stop(): void {
    this.#stopTimer?.();
  }

  #look(since: number): void {
    const { clock, limits, keepalive, tellPaths } = this.#parts;
    this.#stopTimer = null;
    if (keepalive.heardAt >= since) {
      if (this.#saidMore) this.begin();
      return;
    }
    const now = clock.now();
    // Where the timer is late so are we, and the answer may be waiting to be read.
    const isLate = now - since >= 2 * limits.quietAfterMs;
    if (tellPaths(keepalive.isQuiet(now) && !isLate)) this.begin();
  }
}
