/**
 * Finds out soon whether the peer of a session is there when a path begins or speaks on it, and tells the paths while it is
 * not (docs/PROTOCOL.md, "Quiet"). It asks at once where nothing has come for a while (half of one, while more is said),
 * else a while later; one timer serves all that is said meanwhile, so a session that is answered costs one a second.
 */
import type { Clock } from '../clock.ts';
import type { Keepalive } from './keepalive.ts';
import type { Limits } from '../limit.ts';
import type { PathTable } from './path-table.ts';

/** What it needs of the session. */
export interface QuietWatchParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly keepalive: Keepalive;
  readonly paths: PathTable;
  readonly sendPing: () => void;
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
    this.#watch(this.#parts.limits.quietAfterMs);
  }

  /** Asks at once where nothing has come for so long. */
  #watch(askAfterMs: number): void {
    this.#saidMore = false;
    const { clock, limits, keepalive, sendPing } = this.#parts;
    const since = clock.now();
    if (since - keepalive.heardAt >= askAfterMs && !keepalive.isAsked) sendPing();
    // Timers come a little early in a busy turn: what is missing then is waited for, not a whole second more.
    const restMs = keepalive.quietInMs(since) ?? 0;
    const waitMs = restMs > 0 ? Math.min(Math.ceil(restMs), limits.quietAfterMs) : limits.quietAfterMs;
    this.#stopTimer = clock.after(waitMs, () => this.#look(since));
  }

  stop(): void {
    this.#stopTimer?.();
  }

  #look(since: number): void {
    const { clock, limits, keepalive, paths } = this.#parts;
    this.#stopTimer = null;
    if (keepalive.heardAt >= since) {
      // Who was asked something meanwhile has mostly said something lately.
      if (this.#saidMore) this.#watch(limits.quietAfterMs / 2);
      return;
    }
    const now = clock.now();
    // Where the timer is late so are we, and the answer may be waiting to be read.
    const isLate = now - since >= 2 * limits.quietAfterMs;
    if (keepalive.isQuiet(now) && !isLate) this.#tellPaths();
    if (paths.size > 0) this.#watch(0);
  }

  /**
   * What the peer has not taken yet looks for another way. Of what is open one path goes ahead, and the others follow when
   * it was answered elsewhere while nothing has come here: a peer that stands still for a moment answers nowhere, and moves
   * nothing.
   */
  #tellPaths(): void {
    const { clock, keepalive, paths } = this.#parts;
    for (const path of paths.all()) path.handleQuiet();
    const follow = (): void => {
      if (keepalive.isQuiet(clock.now())) for (const path of paths.all()) path.leaveQuiet(() => {});
    };
    paths.all().some((path) => path.leaveQuiet(follow));
  }
}
