/**
 * Finds out soon whether the peer of a session is there when a path begins or speaks on it, and tells the paths while it is
 * not (docs/PROTOCOL.md, "Quiet"). It asks at once where nothing has come for a while, else a while later; one timer serves
 * all that is said meanwhile, so a session that is answered costs one a second.
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
    const { clock, limits, keepalive, paths } = this.#parts;
    this.#stopTimer = null;
    if (keepalive.heardAt >= since) {
      if (this.#saidMore) this.begin();
      return;
    }
    const now = clock.now();
    // Where the timer is late so are we, and the answer may be waiting to be read.
    const isLate = now - since >= 2 * limits.quietAfterMs;
    if (keepalive.isQuiet(now) && !isLate) this.#tellPaths();
    if (paths.size > 0) this.begin();
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
