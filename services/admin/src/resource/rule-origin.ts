/** Rules as they are shown: each with its origin, which acl sends beside them. */
import { RuleOrigin } from '@postern/contracts';
import { Type, type TObject, type TProperties } from 'typebox';

const unknown: RuleOrigin = { createdAt: null, createdBy: null };

/** The schema of rules that say since when they are in their list, and by whom. */
export function shownRules<Properties extends TProperties>(rule: TObject<Properties>) {
  return Type.Array(Type.Object({ ...rule.properties, ...RuleOrigin.properties }));
}

/** The list with these rules. */
export function withOrigins<List extends { rules: readonly object[]; origins?: RuleOrigin[] }>({
  origins = [],
  ...list
}: List) {
  return { ...list, rules: list.rules.map((rule, index) => ({ ...rule, ...(origins[index] ?? unknown) })) };
}
