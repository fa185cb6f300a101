/**
 * The access lists that clients have of their own, as tunnels tell them. A list that several tunnels have is kept once,
 * and those of one gateway have together no more than `ownRulesPerGatewayMax` rules: every node, the router and acl keep
 * them, and who has a token of one gateway must not fill their memory. What is more counts as a list that allows
 * nothing, as one does that is too long for a link: its client has another way to be reached, or none.
 */
import { createHash } from 'node:crypto';
import type { AccessRule } from '@postern/contracts';

/** Most rules of different lists behind one gateway. */
export const ownRulesPerGatewayMax = 50_000;

interface Lists {
  rules: number;
  readonly byDigest: Map<string, Shared>;
}

interface Shared {
  readonly digest: string;
  readonly rules: AccessRule[];
  holders: number;
}

/** Those that one place keeps: a presence table, or a node for its own tunnels. */
export class OwnLists {
  readonly #byGateway = new Map<string, Lists>();
  readonly #shared = new WeakMap<readonly AccessRule[], Shared>();

  /** The list of a tunnel as it is kept, until it is let go of as often as it was held. */
  hold(gatewayId: string, rules: readonly AccessRule[] | null): AccessRule[] | null {
    if (rules === null) return null;
    if (rules.length === 0) return [];
    const lists = this.#byGateway.get(gatewayId) ?? { rules: 0, byDigest: new Map() };
    const digest = createHash('sha256').update(JSON.stringify(rules)).digest('base64url');
    const known = lists.byDigest.get(digest);
    if (known === undefined && lists.rules + rules.length > ownRulesPerGatewayMax) return [];
    const shared = known ?? { digest, rules: [...rules], holders: 0 };
    shared.holders += 1;
    if (known === undefined) {
      lists.rules += rules.length;
      lists.byDigest.set(digest, shared);
      this.#shared.set(shared.rules, shared);
      this.#byGateway.set(gatewayId, lists);
    }
    return shared.rules;
  }

  /** Lets go of a list that `hold` gave. */
  release(gatewayId: string, rules: readonly AccessRule[] | null): void {
    const shared = rules === null ? undefined : this.#shared.get(rules);
    const lists = this.#byGateway.get(gatewayId);
    if (shared === undefined || lists === undefined) return;
    shared.holders -= 1;
    if (shared.holders > 0) return;
    this.#shared.delete(shared.rules);
    lists.byDigest.delete(shared.digest);
    lists.rules -= shared.rules.length;
    if (lists.byDigest.size === 0) this.#byGateway.delete(gatewayId);
  }
}
