/**
 * The file descriptors of callers' connections and of streams to cloud resources. Both leave some to the rest of the node,
 * and of what they may have together one gateway has half, so that none is turned away for another's callers or resources.
 */
import { Shares } from '@postern/share';
import { FileReserve } from '@postern/telemetry';
import type { CallerCause } from '../errors.ts';

/** The owner of the places of those who have not said yet for which gateway they come. */
export const nobody = '';
/** Why one of those has no place. */
export const nobodyHasHalf =
  'callers who have not said yet what they ask for have as many connections as they may';
const raise = 'raise its limit (ulimit -n, LimitNOFILE)';
const texts = {
  full: `the node has no file descriptors left for callers: ${raise}`,
  'share full': `the gateway has half of the file descriptors that the node has for callers: ${raise}`,
};

/** Who has one; one for each node. */
export class FilePlaces {
  readonly #reserve: FileReserve;
  readonly #shares: Shares;

  constructor(reserve = new FileReserve()) {
    this.#reserve = reserve;
    this.#shares = new Shares(reserve.most);
  }

  /** Takes one: returns what gives it back, idempotent, or why there is none. */
  enter(gatewayId: string): (() => void) | CallerCause {
    const full = this.#shares.whyFull(gatewayId) ?? (this.#reserve.take() ? null : 'full');
    if (full !== null) {
      const text = full === 'share full' && gatewayId === nobody ? nobodyHasHalf : texts[full];
      return { code: 'EDGE_CONNECTIONS_FULL', text, end: 'edge' };
    }
    this.#shares.take(gatewayId);
    let held = true;
    return () => {
      if (held) this.#shares.leave(gatewayId);
      held = false;
    };
  }
}
