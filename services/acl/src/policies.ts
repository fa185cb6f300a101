/**
 * Policies: what nodes follow of each gateway. acl knows gateways from the router, whose feed it follows; the first
 * time it hears of one it makes the policy and an empty access list. When a gateway is asked about before the
 * feed has brought it, the router is asked; so a gateway that was made a moment ago is never called unknown.
 * A policy is dropped, with all tokens and rules of its gateway, when the router says that it was deleted.
 */
import type { Bus } from '@postern/bus';
import { type Gateway, type GatewayRecord, type Policy, findGateway } from '@postern/contracts';
import type { FeedSource } from '@postern/replica';
import { every } from '@postern/store';
import type { Documents, PolicyDocument } from './document.ts';
import { gatewayUnknown } from './errors.ts';
import type { Draft, Journal } from './journal.ts';

const pageItems = 50;

/** The policies that acl owns. */
export class Policies {
  readonly #journal: Journal;
  readonly #bus: Bus;

  constructor(parts: { journal: Journal; bus: Bus }) {
    this.#journal = parts.journal;
    this.#bus = parts.bus;
  }

  /** What acl knows of a gateway. Throws `ACL_GATEWAY_UNKNOWN`, with 403 for clients and 404 for operators. */
  async find(gatewayId: string, status: 403 | 404): Promise<PolicyDocument> {
    const { policies } = this.#journal.documents;
    const known = await policies.get(gatewayId);
    if (known !== null) return known;
    await this.follow(gatewayId);
    const followed = await policies.get(gatewayId);
    if (followed === null) throw gatewayUnknown(gatewayId, status);
    return followed;
  }

  /** Whether the policy of a gateway is the router's word, and says what this record does. */
  async knows(record: GatewayRecord): Promise<boolean> {
    const known = await this.#journal.documents.policies.get(record.id);
    return known !== null && !isRestored(known) && saysTheSame(known, record);
  }

  /**
   * Takes over what the router says of a gateway now, and drops all that acl holds of one that was deleted. What the router
   * only does not find is kept, for the router may be on another database; but where it comes from a backup and the
   * restored router has never had it, it goes. When this resolves, sessions are opened by it and nodes that fetch policies
   * have it.
   */
  async follow(gatewayId: string): Promise<'followed' | 'dropped' | 'not found'> {
    const said = await findGateway(this.#bus, gatewayId);
    if (typeof said !== 'string') {
      // Deleted since it was said, it may have been dropped before its policy was made.
      if (await this.#apply(said)) return this.follow(gatewayId);
      return 'followed';
    }
    if (said === 'not found') {
      const known = await this.#journal.documents.policies.get(gatewayId);
      if (known === null) return 'followed';
      if (!isRestored(known)) return 'not found';
    }
    await this.#drop(gatewayId);
    return 'dropped';
  }

  async #drop(gatewayId: string): Promise<void> {
    await this.#journal.change(async (draft) => {
      for (const collection of [draft.tokens, draft.sourceRules]) await deleteAll(collection, gatewayId);
      await draft.accessLists.delete(gatewayId);
      if (await draft.policies.delete(gatewayId)) draft.touch(gatewayId);
    });
  }

  /** Says whether it made the policy. */
  async #apply({ id, name, enabled, requireToken, revision }: Gateway): Promise<boolean> {
    const taken = { id, name, enabled, requireToken, gatewayRevision: revision };
    const known = await this.#journal.documents.policies.get(id);
    if (known !== null && isTaken(known, taken)) return false;
    return this.#journal.change((draft) => putPolicy(draft, taken, this.#journal.time()));
  }
}

type Taken = GatewayRecord & { gatewayRevision: number };

async function putPolicy(draft: Draft, taken: Taken, at: string): Promise<boolean> {
  const found = await draft.policies.get(taken.id);
  if (found === null) {
    const dated = { revision: 1, createdAt: at, modifiedAt: at };
    draft.touch(taken.id);
    await draft.accessLists.insert({ id: taken.id, ...dated, rules: [] });
    await draft.policies.insert({ ...taken, ...dated });
    return true;
  }
  if (isTaken(found, taken)) return false;
  if (!saysTheSame(found, taken)) draft.touch(taken.id);
  await draft.policies.replace({ ...found, ...taken, modifiedAt: at });
  return false;
}

/** The items of `acl.policies`. */
export function policySource(documents: Documents): FeedSource<Policy> {
  return {
    read: async (ids) => {
      const found = await Promise.all(ids.map((id) => documents.policies.get(id)));
      return policiesOf(
        documents,
        found.filter((policy) => policy !== null),
      );
    },
    list: async (cursor) => {
      const { items, nextCursor } = await documents.policies.list({ cursor, limit: pageItems });
      return { items: await policiesOf(documents, items), nextCursor };
    },
  };
}

function policiesOf(documents: Documents, found: readonly PolicyDocument[]): Promise<Policy[]> {
  return Promise.all(found.map((policy) => policyOf(documents, policy)));
}

async function policyOf(documents: Documents, policy: PolicyDocument): Promise<Policy> {
  const gatewayId = policy.id;
  const accessList = await documents.accessLists.get(gatewayId);
  const sourceRules = await Array.fromAsync(every(documents.sourceRules, { filter: { gatewayId } }));
  const revoked = await Array.fromAsync(every(documents.tokens, { filter: { gatewayId, revoked: true } }));
  return {
    id: gatewayId,
    gatewayName: policy.name,
    enabled: policy.enabled,
    requireToken: policy.requireToken,
    accessListRevision: accessList?.revision ?? 0,
    accessList: accessList?.rules ?? [],
    sourceRules: sourceRules.map(({ id, restricted, rules }) => ({ destinationId: id, restricted, rules })),
    // All that are remembered: a tunnel lasts longer than a ticket, and its node may have been out of reach for long.
    revokedTokens: revoked.map(({ id, revokedAt }) => ({ tokenId: id, revokedAt: revokedAt ?? '' })),
  };
}

async function deleteAll(
  collection: Draft['tokens'] | Draft['sourceRules'],
  gatewayId: string,
): Promise<void> {
  const filter = { gatewayId };
  for (;;) {
    const { items } = await collection.list({ filter });
    if (items.length === 0) return;
    for (const { id } of items) await collection.delete(id);
  }
}

/** A policy as it comes from a backup, of which the router has said nothing yet. */
export function restoredPolicy(policy: PolicyDocument): PolicyDocument {
  return { ...policy, gatewayRevision: 0 };
}

function isRestored({ gatewayRevision }: PolicyDocument): boolean {
  return gatewayRevision === 0;
}

/**
 * Of two answers of the router the later one may be here first. So a later one is taken also where it says what is known:
 * one from in between is then refused.
 */
function isTaken(known: PolicyDocument, taken: Taken): boolean {
  const { gatewayRevision = 0 } = known;
  return (
    taken.gatewayRevision < gatewayRevision ||
    (taken.gatewayRevision === gatewayRevision && saysTheSame(known, taken))
  );
}

function saysTheSame(a: GatewayRecord, b: GatewayRecord): boolean {
  return a.name === b.name && a.enabled === b.enabled && a.requireToken === b.requireToken;
}
