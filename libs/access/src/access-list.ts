/**
 * Who may reach what. Everything that no rule allows is denied, and the most specific rule decides:
 *
 *   host   exact address or name  >  longer CIDR  >  longer `*.name`  >  `*`
 *   port   fewer ports            >  more ports   >  `*`
 *   path   longer prefix          >  shorter      >  none
 *   tie    deny                   >  allow
 *
 * compared in that order, so the order of the rules in the list means nothing. A list is compiled once into that
 * order; deciding then takes the first rule that matches. Names are never resolved here: an allow matches the host
 * as it was configured, and whoever resolves it asks `decideResolved` about the address.
 *
 * A rule with a path allows only where the path is known, and denies also where it is not. `somePath` asks the weaker
 * question, for who carries requests without reading them.
 */
import { type Address, blockHolds, parseAddress, reachedBy } from './address.ts';
import { parseHost, parseHostPattern, type Host, type HostPattern } from './host.ts';
import { pathBegins, pathLength, readPath, rulePath, type PathReadings } from './path.ts';
import { parsePortRange, portRangeHolds, type PortRange } from './port-range.ts';
import { hostText, normalizeStored, ruleText, type AccessRule } from './rule.ts';

/** What is to be reached. `path` only where the protocol has one. */
export interface AccessTarget {
  host: string;
  port: number;
  path?: string;
  /** A second path of the same request, which must be allowed as well; null where it cannot be read, and has no path. */
  otherPath?: string | null;
  /** Whether any path at all may be reached is asked: somebody else asks about each path. */
  somePath?: boolean;
}

/** Whether it may be reached, by which rule of the list, and why in words. */
export interface ListDecision {
  allowed: boolean;
  rule: { index: number; text: string } | null;
  reason: string;
}

/** A list made ready to decide. Immutable; `rules` are in their one form. */
export interface AccessList {
  readonly rules: readonly AccessRule[];
  /** Rules of one exact host, by that host; each in order of decision. */
  readonly exact: ReadonlyMap<string, readonly CompiledRule[]>;
  /** All other rules, in order of decision. */
  readonly wider: readonly CompiledRule[];
  /** Whether any rule has a path; without, all paths of a target are decided alike. */
  readonly hasPaths: boolean;
}

interface CompiledRule {
  index: number;
  action: 'allow' | 'deny';
  host: HostPattern;
  port: PortRange;
  path: PathReadings | null;
  pathLength: number;
  text: string;
}

/** A list ready to decide. Throws `AccessError` as `normalizeStored` does. */
export function compileAccessList(rules: readonly AccessRule[]): AccessList {
  const normal = normalizeStored(rules);
  const compiled = normal.map(compileRule).sort(compareRules);
  const exact = new Map<string, CompiledRule[]>();
  const wider: CompiledRule[] = [];
  for (const rule of compiled) {
    const { kind, text } = rule.host;
    if (kind !== 'address' && kind !== 'name') wider.push(rule);
    else if (!exact.get(text)?.push(rule)) exact.set(text, [rule]);
  }
  const hasPaths = compiled.some((rule) => rule.path !== null);
  return { rules: normal, exact, wider, hasPaths };
}

/** Decides on the target as it was configured. */
export function decide(list: AccessList, target: AccessTarget): ListDecision {
  const decision = decideOne(list, target);
  const { host, port, otherPath } = target;
  if (!decision.allowed || otherPath === undefined) return decision;
  const other = decideOne(list, otherPath === null ? { host, port } : { host, port, path: otherPath });
  return other.allowed ? decision : other;
}

function decideOne(list: AccessList, target: AccessTarget): ListDecision {
  const host = parseHost(target.host);
  const matches = matcher(host, target);
  const rule = list.exact.get(host.text)?.find(matches) ?? list.wider.find(matches);
  if (rule !== undefined) return byRule(rule);
  return { allowed: false, rule: null, reason: `no rule allows ${targetText(host, target)}` };
}

/**
 * Decides again on an address that the target's host resolved to. Only rules that name addresses or blocks count,
 * since all others have been asked by name: their denial, when it is what decides on that address, or null. Where the
 * host is a name, nobody asks these rules about a path later, so one that denies any denies all. What rules cannot name
 * (an address with a zone) is denied: the system would dial it.
 */
export function decideResolved(list: AccessList, target: AccessTarget, address: string): ListDecision | null {
  const parsed = parseAddress(address);
  if (parsed === null)
    return { allowed: false, rule: null, reason: `denied: no rule can name the address ${address}` };
  const reached = reachedBy(parsed);
  return decideAddress(list, target, parsed) ?? (reached && decideAddress(list, target, reached));
}

function decideAddress(list: AccessList, target: AccessTarget, address: Address): ListDecision | null {
  const host: Host = { address, text: address.text };
  const { somePath: _, ...place } = target;
  const matches = matcher(host, parseHost(target.host).text === address.text ? target : place);
  const rule =
    list.exact.get(host.text)?.find(matches) ??
    list.wider.find((candidate) => candidate.host.kind === 'block' && matches(candidate));
  return rule === undefined || rule.action === 'allow'
    ? null
    : byRule(rule, ` on its address ${address.text}`);
}

function compileRule(rule: AccessRule, index: number): CompiledRule {
  const host = parseHostPattern(rule.host);
  const port = parsePortRange(rule.port);
  if (host === null || port === null) throw new TypeError('a rule in its one form always parses');
  const { action } = rule;
  const path = rule.path === undefined ? null : readPath(rulePath(rule.path));
  const length = path === null ? 0 : pathLength(path, action);
  return { index, action, host, port, path, pathLength: length, text: ruleText(rule) };
}

function compareRules(a: CompiledRule, b: CompiledRule): number {
  return (
    hostRank(b.host) - hostRank(a.host) ||
    a.port.to - a.port.from - (b.port.to - b.port.from) ||
    b.pathLength - a.pathLength ||
    Number(a.action === 'allow') - Number(b.action === 'allow') ||
    // Those that are left decide alike; which of them is named must not depend on their order.
    compareText(a.text, b.text) ||
    a.index - b.index
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Higher is more specific. The bands cannot meet: a prefix has at most 128 bits, a name at most 253 characters. */
function hostRank(host: HostPattern): number {
  switch (host.kind) {
    case 'address':
    case 'name':
      return 2000;
    case 'block':
      return 1000 + host.block.prefix;
    case 'below':
      return 1 + host.suffix.length;
    case 'any':
      return 0;
  }
}

function matcher(host: Host, target: AccessTarget): (rule: CompiledRule) => boolean {
  // Read only where a rule asks for it.
  let path: PathReadings | null | undefined;
  const readings = (): PathReadings | null =>
    (path ??= target.path === undefined ? null : readPath(target.path));
  return (rule) =>
    portRangeHolds(rule.port, target.port) &&
    hostMatches(rule.host, host) &&
    (target.somePath === true
      ? mayMatch(rule)
      : rule.path === null || pathMatches(rule, rule.path, readings()));
}

/** Rules that deny a part of the paths leave others. */
function mayMatch(rule: CompiledRule): boolean {
  return rule.path === null || rule.action === 'allow';
}

function hostMatches(pattern: HostPattern, host: Host): boolean {
  switch (pattern.kind) {
    case 'address':
    case 'name':
      return pattern.text === host.text;
    case 'block':
      return host.address !== null && blockHolds(pattern.block, host.address);
    case 'below':
      return host.address === null && host.text.endsWith(pattern.suffix);
    case 'any':
      return true;
  }
}

function pathMatches(rule: CompiledRule, prefix: PathReadings, path: PathReadings | null): boolean {
  return path === null ? rule.action === 'deny' : pathBegins(path, prefix, rule.action);
}

function byRule(rule: CompiledRule, where = ''): ListDecision {
  const allowed = rule.action === 'allow';
  const reason = `${allowed ? 'allowed' : 'denied'}${where} by "${rule.text}"`;
  return { allowed, rule: { index: rule.index, text: rule.text }, reason };
}

function targetText(host: Host, target: AccessTarget): string {
  return `${hostText(host.text)}:${target.port}${target.path ?? ''}`;
}
