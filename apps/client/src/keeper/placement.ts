/**
 * Where a client's tunnels should end: which ways to try for one that is missing, and whether one that is up had better
 * end elsewhere (at a node that has none of the others, in another failure domain, straight instead of by a WebSocket,
 * opened by the token as it is now). It decides on what it is told and does nothing.
 */
import type { NodeAddress } from '@postern/contracts';
import type { Wallet } from '../platform/grant.ts';
import type { KeeperOptions } from './keeper-event.ts';
import type { Slot, Up } from './keeper-slot.ts';
import { type RouteKnowledge, type Way, addressKey, chooseWays, rankAddresses } from './route-choice.ts';

/** A way to a better tunnel, and the nodes at which it must not end. */
export interface BetterWay {
  readonly way: Way;
  readonly avoid: readonly string[];
}

/** One for each keeper. */
export class Placement {
  /** Nodes of tunnels that drain, by tunnel. */
  readonly draining = new Map<number, string>();
  /** Whether direct tunnels failed where a WebSocket then worked. */
  directIsBlocked = false;
  readonly #transport: KeeperOptions['transport'];
  readonly #wallet: Wallet;
  readonly #slots: readonly Slot[];
  readonly #failedAt = new Map<string, number>();

  constructor(transport: KeeperOptions['transport'], wallet: Wallet, slots: readonly Slot[]) {
    this.#transport = transport;
    this.#wallet = wallet;
    this.#slots = slots;
  }

  /** An address did not answer, or (null) did. */
  note({ address }: Way, failedAt: number | null): void {
    if (address === null) return;
    if (failedAt === null) this.#failedAt.delete(addressKey(address));
    else this.#failedAt.set(addressKey(address), failedAt);
  }

  /** Forgets what failed of addresses that the wallet no longer names. */
  prune(): void {
    const known = new Set(this.#wallet.nodes.map(addressKey));
    for (const key of this.#failedAt.keys()) if (!known.has(key)) this.#failedAt.delete(key);
  }

  /** The ways of a round for a tunnel that is missing. */
  ways(): Way[] {
    return chooseWays({ ...this.#knowledge(), transport: this.#transport });
  }

  /** Whether a tunnel could have a better place than it has. */
  couldBeBetter(up: Up): boolean {
    if (up.stale || up.leaving) return true;
    if (up.transport === 'websocket' && this.#transport === 'auto') return true;
    const older = this.#slots.flatMap((slot) =>
      slot.up !== null && slot.up.id < up.id ? [slot.up.node] : [],
    );
    return older.includes(up.node) || (up.transport === 'direct' && this.#sharesZone(up.node, older));
  }

  /** How to get the better one; null where there is no way to it now. */
  better(slot: Slot, up: Up): BetterWay | null {
    const others = this.#heldNodes(slot);
    const way = this.#betterWay(up, others);
    return way === null ? null : { way, avoid: avoided(up, way, others) };
  }

  /** Whether the node is in the failure domain of one of these, while another domain has none of our tunnels. */
  #sharesZone(node: string, others: readonly string[]): boolean {
    const zone = this.#zoneOf(node);
    return zone !== '' && others.some((other) => this.#zoneOf(other) === zone) && this.#freeZone() !== null;
  }

  /** A node in a failure domain that has none of our tunnels. */
  #freeZone(): NodeAddress | null {
    const held = new Set(this.#heldNodes(null).map((node) => this.#zoneOf(node)));
    return this.#wallet.nodes.find(({ zone }) => zone !== '' && !held.has(zone)) ?? null;
  }

  #zoneOf(node: string): string {
    return this.#wallet.nodes.find((address) => address.node === node)?.zone ?? '';
  }

  #betterWay(up: Up, others: string[]): Way | null {
    const ranked = rankAddresses({ ...this.#knowledge(others), transport: 'direct' });
    const [best] = ranked;
    if (up.stale) {
      // The same way once more: nothing moves but the token.
      if (up.transport === 'websocket') return { transport: 'websocket', address: null };
      return directTo(ranked.find(({ node }) => node === up.node) ?? best);
    }
    if (up.leaving) {
      if (up.transport === 'websocket') return { transport: 'websocket', address: null };
      // In a hurry any node that can be reached is better than the best one that cannot.
      const away = ranked.filter(({ node }) => node !== up.node);
      return directTo(away.find((one) => !this.#failedAt.has(addressKey(one))) ?? away[0]);
    }
    if (up.transport === 'websocket' && this.#transport === 'auto') return directTo(best);
    if (new Set(ranked.map(({ node }) => node)).size < 2) return null;
    if (up.transport === 'websocket') return { transport: 'websocket', address: null };
    return directTo(
      others.includes(up.node)
        ? ranked.find(({ node }) => node !== up.node && !others.includes(node))
        : (this.#freeZone() ?? undefined),
    );
  }

  #knowledge(held: readonly string[] = this.#heldNodes(null)): Omit<RouteKnowledge, 'transport'> {
    return {
      nodes: this.#wallet.nodes,
      held,
      failedAt: this.#failedAt,
      directIsUp: this.#slots.some((slot) => slot.up?.transport === 'direct'),
      directIsBlocked: this.directIsBlocked,
    };
  }

  /** Nodes that have, lose or may get a tunnel of ours, but for this slot's. */
  #heldNodes(except: Slot | null): string[] {
    const slots = this.#slots.filter((slot) => slot !== except);
    return [
      ...slots.flatMap((slot) => slot.up?.node ?? []),
      ...slots.flatMap((slot) => slot.dial?.way.address?.node ?? []),
      ...this.draining.values(),
    ];
  }
}

function directTo(address: NodeAddress | undefined): Way | null {
  return address === undefined ? null : { transport: 'direct', address };
}

/** The nodes that a better tunnel must not end at. */
function avoided(up: Up, way: Way, others: readonly string[]): readonly string[] {
  if (up.leaving) return [up.node];
  return way.transport === up.transport && !up.stale ? others : [];
}
