/**
 * Since when each rule of a list is in it, and whose API key put it there. A list is always put as a whole; a rule that
 * says the same before and after keeps its origin, one that was taken away and comes back has a new one.
 *
 * Origins stand beside the rules, since the rules' form is what nodes and clients are sent. A program of the version before
 * writes rules alone and leaves origins that are of other rules: so they say of which state of the list they are.
 */
import type { Actor, RuleOrigin } from '@postern/contracts';

/** As they are stored: one for each rule, in the order of the rules. */
export interface StoredOrigins {
  /** The `modifiedAt` of the list that they are of. */
  listModifiedAt: string;
  rules: RuleOrigin[];
}

/** A list of rules with what is stored of their origins. */
export interface ListWithOrigins {
  modifiedAt: string;
  rules: readonly object[];
  origins?: StoredOrigins;
}

const unknown: RuleOrigin = { createdAt: null, createdBy: null };

/** The origin of each rule of a list. */
export function originsOf({ modifiedAt, rules, origins }: ListWithOrigins): RuleOrigin[] {
  const known = origins?.listModifiedAt === modifiedAt ? origins.rules : [];
  return rules.map((_, index) => known[index] ?? unknown);
}

/** The origins of the rules that take the place of a list's; `by` is not known of an admin of the version before. */
export function originsAfter(
  before: ListWithOrigins,
  rules: readonly object[],
  { at, by = null }: { at: string; by?: Actor | null | undefined },
): StoredOrigins {
  const former = originsOf(before);
  const kept = new Map(before.rules.map((rule, index) => [keyOf(rule), former[index]]));
  const added = { createdAt: at, createdBy: by };
  return { listModifiedAt: at, rules: rules.map((rule) => kept.get(keyOf(rule)) ?? added) };
}

/** What a rule says, however its fields are ordered. */
function keyOf(rule: object): string {
  return JSON.stringify(Object.entries(rule).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
