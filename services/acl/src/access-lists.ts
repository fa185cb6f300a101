/**
 * Access lists: kept with a revision, put as a whole, explained for both ends. They are stored in their one form
 * (libs/access), so what is shown is what decides.
 */
import {
  AccessError,
  compileAccessList,
  decideBoth,
  normalizeRules,
  type AccessList as CompiledList,
  type AccessTarget,
} from '@postern/access';
import type { AccessDecision, AccessList, AccessListInput, AccessRule, RuleOrigin } from '@postern/contracts';
import type { AccessListDocument } from './document.ts';
import { gatewayUnknown, revisionStale, rulesInvalid } from './errors.ts';
import type { ChangeOf, Journal } from './journal.ts';
import { originsAfter, originsOf } from './origins.ts';
import type { Policies } from './policies.ts';

/** The own lists of a gateway's connected clients; null for a client that has none. */
export type OwnLists = (gatewayId: string) => readonly (readonly AccessRule[] | null)[];

/** The access lists that acl owns. */
export class AccessLists {
  readonly #journal: Journal;
  readonly #policies: Policies;
  readonly #ownLists: OwnLists;

  constructor(parts: { journal: Journal; policies: Policies; ownLists: OwnLists }) {
    this.#journal = parts.journal;
    this.#policies = parts.policies;
    this.#ownLists = parts.ownLists;
  }

  /** A gateway's. */
  async get(gatewayId: string): Promise<AccessList> {
    await this.#policies.find(gatewayId, 404);
    const found = await this.#journal.documents.accessLists.get(gatewayId);
    if (found === null) throw gatewayUnknown(gatewayId, 404);
    return show(found);
  }

  /** Replaces it. */
  async put(gatewayId: string, input: AccessListInput, { revision, by }: ChangeOf = {}): Promise<AccessList> {
    await this.#policies.find(gatewayId, 404);
    const rules = normalized(input.rules);
    const document = await this.#journal.change(async (draft) => {
      const found = await draft.accessLists.get(gatewayId);
      if (found === null) throw gatewayUnknown(gatewayId, 404);
      if (revision !== undefined && revision !== found.revision) {
        throw revisionStale('the access list', revision, found.revision);
      }
      draft.touch(gatewayId);
      draft.tell({ kind: 'access-list', action: 'updated', id: gatewayId, gatewayId });
      const at = this.#journal.time();
      const origins = originsAfter(found, rules, { at, by });
      return draft.accessLists.replace({ ...found, rules, origins, modifiedAt: at });
    });
    return show(document);
  }

  /** Which rule decides on each target, at which end. A client's own list counts when no connected client allows the target. */
  async explain(gatewayId: string, targets: readonly AccessTarget[]): Promise<AccessDecision[]> {
    const { rules, origins = [] } = await this.get(gatewayId);
    const list = compileAccessList(rules);
    const own = this.#ownLists(gatewayId).map(compiledOrNull);
    return targets.map((target) => {
      const decision = withOrigin(explainOne(list, own, target), origins);
      if (decision.allowed || target.path !== undefined || target.somePath === true) return decision;
      const some = explainOne(list, own, { ...target, somePath: true });
      return some.allowed
        ? { ...decision, reason: `${decision.reason}; over HTTP, some paths are allowed: ${some.reason}` }
        : decision;
    });
  }
}

function explainOne(
  list: CompiledList,
  own: readonly (CompiledList | null)[],
  target: AccessTarget,
): AccessDecision {
  const decisions = own.map((ownList) => decideBoth(list, ownList, target));
  const denied = decisions.filter((decision) => !decision.allowed);
  const [first] = denied;
  if (first === undefined || own.length === 0) return decideBoth(list, null, target);
  if (denied.length === decisions.length) return first;
  const plain = decideBoth(list, null, target);
  return {
    ...plain,
    reason: `${plain.reason}; ${denied.length} of ${own.length} clients deny it by their own list`,
  };
}

function show(document: AccessListDocument): AccessList {
  return { ...document, origins: originsOf(document) };
}

/** Says of the rule that decides since when it is there, and by whom. */
function withOrigin(decision: AccessDecision, origins: readonly RuleOrigin[]): AccessDecision {
  if (decision.rule?.list !== 'gateway') return decision;
  const { createdAt = null, createdBy = null } = origins[decision.rule.index] ?? {};
  if (createdAt === null || createdBy === null) return decision;
  const { id, name } = createdBy;
  const origin = `this rule is in the list since ${createdAt}, by the API key "${name}" (${id})`;
  return { ...decision, reason: `${decision.reason}; ${origin}` };
}

/** A client's own list is what it sent: where it cannot be read here, it is taken for one that allows nothing. */
function compiledOrNull(rules: readonly AccessRule[] | null): CompiledList | null {
  if (rules === null) return null;
  try {
    return compileAccessList(rules);
  } catch (error) {
    if (error instanceof AccessError) return compileAccessList([]);
    throw error;
  }
}

function normalized(rules: readonly AccessRule[]): AccessRule[] {
  try {
    return normalizeRules(rules);
  } catch (error) {
    throw rulesInvalid(error);
  }
}
