/**
 * Access lists and source rules as the accept path reads them: compiled once for each version of a policy, and kept as
 * long as that version is. A list that cannot be compiled allows nothing.
 */
import { type AccessList, type SourceRules, compileAccessList, compileSourceRules } from '@postern/access';
import type { AccessRule, Policy } from '@postern/contracts';

interface Compiled {
  access: AccessList;
  /** Compiled when the destination is first called. */
  sources: Map<string, SourceRules>;
}

const compiled = new WeakMap<Policy, Compiled>();
const nobody = compileSourceRules(true, []);
const anybody = compileSourceRules(false, []);

/** The gateway's access list. */
export function accessListOf(policy: Policy): AccessList {
  return compiledOf(policy).access;
}

/** The source rules of one of the gateway's destinations; without any, it is not restricted. */
export function sourceRulesOf(policy: Policy, destinationId: string): SourceRules {
  const { sources } = compiledOf(policy);
  const known = sources.get(destinationId);
  if (known !== undefined) return known;
  const stored = policy.sourceRules.find((one) => one.destinationId === destinationId);
  const rules = stored === undefined ? anybody : readSourceRules(stored);
  sources.set(destinationId, rules);
  return rules;
}

const ownLists = new WeakMap<readonly AccessRule[], AccessList>();

/** A client's own list as it told it, which is read once for all tunnels that have it; null when it has none. */
export function ownListOf(rules: readonly AccessRule[] | null): AccessList | null {
  if (rules === null) return null;
  const known = ownLists.get(rules);
  if (known !== undefined) return known;
  const list = readAccessList(rules);
  ownLists.set(rules, list);
  return list;
}

function compiledOf(policy: Policy): Compiled {
  const known = compiled.get(policy);
  if (known !== undefined) return known;
  const fresh: Compiled = { access: readAccessList(policy.accessList), sources: new Map() };
  compiled.set(policy, fresh);
  return fresh;
}

function readAccessList(rules: readonly AccessRule[]): AccessList {
  try {
    return compileAccessList(rules);
  } catch {
    return compileAccessList([]);
  }
}

function readSourceRules(stored: Policy['sourceRules'][number]): SourceRules {
  try {
    return compileSourceRules(stored.restricted, stored.rules);
  } catch {
    return nobody;
  }
}
