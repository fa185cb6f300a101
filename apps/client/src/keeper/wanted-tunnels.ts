/**
 * Tunnels beside those that the keeper holds: a node whose callers have much relayed to this client wants one of its own
 * (CONTROL `tunnelWanted`). Each is opened with a ticket of its own, once: where that fails the relays go on as before, and
 * the node asks again. One that carried nothing for a minute is given up.
 *
 *     wanted ──► first call ──► dial ──► up ──no stream for idleMs, another token, its node leaves──► drained
 */
import type { NodeAddress } from '@postern/contracts';
import type { Session } from '@postern/tunnel';
import type { KeeperHands } from './keeper-driver.ts';

const lookMs = 5_000;
const idleMs = 60_000;
/** More nodes than that are not worth a tunnel each. */
const tunnelsMax = 8;

/** Who opens and drains them. */
export interface WantedHands extends Pick<KeeperHands, 'call' | 'dial' | 'onUp'> {
  drain(id: number, why: string): void;
  /** One could not be opened; nothing depends on it. */
  onFailed(node: string, error: unknown): void;
}

interface Wanted {
  readonly node: string;
  session: Session | null;
  idleLooks: number;
}

/** See the head of this file. */
export class WantedTunnels {
  readonly #hands: WantedHands;
  /** By number; below 0, where the keeper has none. */
  readonly #tunnels = new Map<number, Wanted>();
  #made = 0;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(hands: WantedHands) {
    this.#hands = hands;
  }

  /** A node wants one. Nothing is done where it has one, or this client has as many as it may. */
  want(address: NodeAddress): void {
    if (this.#ended || this.#tunnels.size >= tunnelsMax) return;
    for (const { node } of this.#tunnels.values()) if (node === address.node) return;
    this.#made += 1;
    const wanted: Wanted = { node: address.node, session: null, idleLooks: 0 };
    this.#tunnels.set(-this.#made, wanted);
    void this.#open(-this.#made, wanted, address);
  }

  /** Drains one, because its node takes no more; false for a number that is none of these. */
  leave(id: number): boolean {
    return this.#drain(id, 'its node leaves');
  }

  /** Drains all: a former token opened them. */
  leaveAll(): void {
    for (const id of this.#tunnels.keys()) this.#drain(id, 'the token is another one');
  }

  /** It has closed, or takes no more; false for a number that is none of these. */
  forget(id: number): boolean {
    const was = this.#tunnels.delete(id);
    if (this.#tunnels.size === 0) this.#stopLooking();
    return was;
  }

  /** None is opened any more. Idempotent. */
  end(): void {
    this.#ended = true;
    this.#stopLooking();
  }

  async #open(id: number, wanted: Wanted, address: NodeAddress): Promise<void> {
    try {
      const { ticket } = await this.#hands.call();
      if (this.#ended || !this.#tunnels.has(id)) return;
      const session = await this.#hands.dial({
        kind: 'dial',
        id,
        transport: 'direct',
        address,
        ticket,
        avoid: [],
      });
      this.#hands.onUp(id, session);
      if (this.#tunnels.get(id) !== wanted) return this.#hands.drain(id, 'it is not wanted any more');
      wanted.session = session;
      this.#timer ??= setInterval(() => this.#look(), lookMs).unref();
    } catch (error) {
      this.forget(id);
      if (!this.#ended) this.#hands.onFailed(address.node, error);
    }
  }

  #look(): void {
    for (const [id, wanted] of this.#tunnels) {
      if (wanted.session === null) continue;
      wanted.idleLooks = wanted.session.streamCount === 0 ? wanted.idleLooks + 1 : 0;
      if (wanted.idleLooks * lookMs >= idleMs) this.#drain(id, `it carried nothing for ${idleMs / 1000} s`);
    }
  }

  #drain(id: number, why: string): boolean {
    const isUp = this.#tunnels.get(id)?.session !== null;
    const was = this.forget(id);
    if (was && isUp) this.#hands.drain(id, why);
    return was;
  }

  #stopLooking(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
