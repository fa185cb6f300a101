/**
 * Gateways that have no tunnel for a moment: a balancer or node is replaced, the only client is started anew. Callers
 * that come meanwhile wait for the next tunnel instead of being refused.
 *
 *     a tunnel is lost, here or elsewhere ──► gap ──gapMs──► refused at once, as where there was no tunnel before
 *                                              └── one is up, here or elsewhere: all who wait try again
 *
 * A node that begins to take callers may be one that was started anew, and the only one: its fronts are open before the first
 * client is back. So at first every gateway without a tunnel has a gap. A log router, whose connection was taken and then
 * reset, has written its queue into it each time.
 *
 * Why it was lost does not count: a client that says that it goes is most often one that is updated or started anew. What
 * is remembered is when, for gateways that have another tunnel as well: nobody waits there.
 *
 * Bounds: gateways, the oldest is let go. Who waits is counted among the callers that wait for a client (`openingMax`), of
 * which one gateway has half at most, so that those of others have places.
 */
import { Multimap } from '@postern/tunnel';

/**
 * How long after a loss callers wait. A client dials again at once, and in the first 3 s four times and more, before
 * its waits grow to 5 s; a balancer's address is at another machine after 1 to 2 s. Longer, and callers of a gateway
 * that is gone would hear of it late.
 */
export const gapMs = 3_000;
/** How long after the node began to take callers they wait: a client that was without it for long dials again within 5 s. */
export const startGapMs = 6_000;
/** Most gateways whose loss is remembered. */
export const gapsMax = 65_536;

/** Ends a wait. Idempotent. */
export type StopWaiting = () => unknown;

/** Waits until trying again is worth while: a tunnel is up, or the time is over. Null: it is not worth while to wait. */
export type WaitForTunnel = (gatewayId: string, until: number, retry: () => void) => StopWaiting | null;

/** When each gateway last lost a tunnel, and who waits for the next one. */
export class TunnelGaps {
  readonly #now: () => number;
  readonly #startGapMs: number;
  /** Oldest first. */
  readonly #lostAt = new Map<string, number>();
  readonly #waiting = new Multimap<() => void>();
  /** Until then every gateway has a gap. */
  #startGapUntil = -Infinity;

  /** `now` is the monotonic time in ms. */
  constructor(now: () => number = () => performance.now(), ofStartMs = startGapMs) {
    this.#now = now;
    this.#startGapMs = ofStartMs;
  }

  /** The node begins to take callers. */
  handleStart(): void {
    this.#startGapUntil = this.#now() + this.#startGapMs;
  }

  /** A tunnel of the gateway is lost, or takes no more. */
  handleLoss(gatewayId: string): void {
    const now = this.#now();
    this.#lostAt.delete(gatewayId);
    this.#lostAt.set(gatewayId, now);
    for (const [oldest, lostAt] of this.#lostAt) {
      if (now - lostAt < gapMs && this.#lostAt.size <= gapsMax) break;
      this.#lostAt.delete(oldest);
    }
  }

  /** A tunnel of the gateway is up. */
  handleTunnel(gatewayId: string): void {
    // A copy: who tries in vain waits anew.
    const waiting = [...this.#waiting.get(gatewayId)];
    for (const end of waiting) end();
  }

  /**
   * Calls `retry` once, when the gateway has a tunnel again, its gap is over, or the time is `until`. Returns null where
   * the gateway has no gap. Who tries again in vain may wait again, for what is left.
   */
  readonly wait: WaitForTunnel = (gatewayId, until, retry) => {
    const lostAt = this.#lostAt.get(gatewayId) ?? -Infinity;
    const gapUntil = Math.max(lostAt + gapMs, this.#startGapUntil);
    const leftMs = Math.min(gapUntil, until) - this.#now();
    if (leftMs <= 0) return null;
    const stop = (): boolean => {
      clearTimeout(timer);
      return this.#waiting.delete(gatewayId, end);
    };
    const end = (): void => {
      if (stop()) retry();
    };
    const timer = setTimeout(end, leftMs);
    this.#waiting.add(gatewayId, end);
    return stop;
  };
}
