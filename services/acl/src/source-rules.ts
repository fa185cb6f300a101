/**
 * Source rules of fronts: who may call. A front without any is open to everybody; restricted without rules, to nobody.
 * All rules of one gateway travel in one policy, so together they have a bound in bytes.
 */
import { addSourceRule, replaceSourceRules } from '@postern/access';
import type { Bus } from '@postern/bus';
import {
  ServiceError,
  ask,
  getDestination,
  type Destination,
  type SourceRule,
  type SourceRules as ShownRules,
  type SourceRulesInput,
} from '@postern/contracts';
import { every } from '@postern/store';
import type { SourceRulesDocument } from './document.ts';
import { destinationUnknown, limitReached, revisionStale, rulesInvalid } from './errors.ts';
import type { ChangeOf, Draft, Journal } from './journal.ts';
import { originsAfter, originsOf } from './origins.ts';

const gatewayBytesMax = 256 * 1024;

/** Whose rules. */
export interface FrontOf {
  gatewayId: string;
  destinationId: string;
}

/** The source rules that acl owns. */
export class SourceRules {
  readonly #journal: Journal;
  readonly #bus: Bus;

  constructor(parts: { journal: Journal; bus: Bus }) {
    this.#journal = parts.journal;
    this.#bus = parts.bus;
  }

  /** Those of a destination. */
  async get(front: FrontOf): Promise<ShownRules> {
    const destination = await this.#find(front);
    const found = await this.#journal.documents.sourceRules.get(front.destinationId);
    return show(found ?? none(destination));
  }

  /** The destinations of a gateway that nobody may call: restricted, and no rule. */
  async closed(gatewayId: string): Promise<string[]> {
    const restricted = every(this.#journal.documents.sourceRules, {
      filter: { gatewayId, restricted: true },
    });
    const found = await Array.fromAsync(restricted);
    return found.filter(({ rules }) => rules.length === 0).map(({ id }) => id);
  }

  /** Replaces them. */
  async put(front: FrontOf, input: SourceRulesInput, of: ChangeOf = {}): Promise<ShownRules> {
    const { restricted, rules = [] } = input;
    return this.#change(front, () => ({ restricted, rules: replaceSourceRules(rules) }), of);
  }

  /** Adds one, in place of the one with the same `app`. */
  async add(front: FrontOf, rule: SourceRule, of: ChangeOf = {}): Promise<ShownRules> {
    const edit = ({ restricted, rules }: SourceRulesDocument) => ({
      restricted,
      rules: addSourceRule(rules, rule),
    });
    return this.#change(front, edit, of);
  }

  /** Drops those of a destination, once the router has said that it was deleted; says whether it did. */
  async drop(front: FrontOf): Promise<boolean> {
    if ((await this.#journal.documents.sourceRules.get(front.destinationId)) === null) return false;
    if (!(await this.#wasDeleted(front))) return false;
    await this.#journal.change(async (draft) => {
      if (await draft.sourceRules.delete(front.destinationId)) draft.touch(front.gatewayId);
    });
    return true;
  }

  async #change(front: FrontOf, edit: Edit, { revision, by }: ChangeOf): Promise<ShownRules> {
    const destination = await this.#find(front);
    const changed = await this.#journal.change(async (draft) => {
      const found = await draft.sourceRules.get(front.destinationId);
      const at = this.#journal.time();
      const now = found ?? none(destination);
      if (revision !== undefined && revision !== now.revision)
        throw revisionStale('the list of source rules', revision, now.revision);
      const edited = tryEdit(edit, now);
      const origins = originsAfter(now, edited.rules, { at, by });
      const next = {
        ...now,
        ...(found === null ? { createdAt: at } : {}),
        ...edited,
        origins,
        modifiedAt: at,
      };
      await checkBytes(draft, next);
      draft.touch(front.gatewayId);
      const [action, kind] = [found === null ? 'created' : 'updated', 'source-rules'] as const;
      draft.tell({ kind, action, id: next.id, gatewayId: next.gatewayId });
      return found === null
        ? draft.sourceRules.insert({ ...next, revision: 1 })
        : draft.sourceRules.replace(next);
    });
    // Deleted since it was found, it may have been dropped before it had any.
    if (changed.revision === 1 && (await this.drop(front))) throw destinationUnknown(front.destinationId);
    return show(changed);
  }

  /** That the router does not find it is not enough: it may be on another database. */
  async #wasDeleted({ gatewayId, destinationId }: FrontOf): Promise<boolean> {
    try {
      await ask(this.#bus, getDestination, { gatewayId, id: destinationId });
      return false;
    } catch (error) {
      if (isNotFound(error)) return error.body.deleted === true;
      throw error;
    }
  }

  async #find({ gatewayId, destinationId }: FrontOf): Promise<Destination> {
    try {
      return await ask(this.#bus, getDestination, { gatewayId, id: destinationId });
    } catch (error) {
      throw isNotFound(error) ? destinationUnknown(destinationId) : error;
    }
  }
}

function isNotFound(error: unknown): error is ServiceError {
  return error instanceof ServiceError && error.code === 'ROUTER_DESTINATION_NOT_FOUND';
}

type Edited = Pick<SourceRulesDocument, 'restricted' | 'rules'>;
type Edit = (now: SourceRulesDocument) => Edited;

function tryEdit(edit: Edit, now: SourceRulesDocument): Edited {
  try {
    return edit(now);
  } catch (error) {
    throw rulesInvalid(error);
  }
}

function show(document: SourceRulesDocument): ShownRules {
  return { ...document, origins: originsOf(document) };
}

function none({ id, gatewayId, createdAt }: Destination): SourceRulesDocument {
  return { id, revision: 0, createdAt, modifiedAt: createdAt, gatewayId, restricted: false, rules: [] };
}

async function checkBytes(draft: Draft, next: SourceRulesDocument): Promise<void> {
  let bytes = Buffer.byteLength(JSON.stringify(next.rules));
  for await (const other of every(draft.sourceRules, { filter: { gatewayId: next.gatewayId } })) {
    if (other.id !== next.id) bytes += Buffer.byteLength(JSON.stringify(other.rules));
  }
  if (bytes > gatewayBytesMax)
    throw limitReached('bytes of source rules behind one gateway', gatewayBytesMax);
}
