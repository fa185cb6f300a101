/**
 * Who may call a front: source addresses and, if asked for, source ports. Without a restriction anybody may;
 * restricted without rules, nobody. Rules only allow, so their order means nothing. Who calls is looked up among those of
 * addresses and blocks, since each caller of a front is decided on, and all of a gateway again when its rules change.
 */
import { AccessError, type AccessFault } from './access-error.ts';
import {
  addressBits,
  blockHolds,
  parseAddress,
  parseBlock,
  type Address,
  type AddressBlock,
} from './address.ts';
import { parsePortRange, portRangeHolds, portRangeText, type PortRange } from './port-range.ts';

/** One rule. `source` is an address, a block, `from-to` or `*`; `app` names whoever registered it. */
export interface SourceRule {
  source: string;
  sourcePort?: string;
  app?: string;
}

/** Most source rules of one front. */
const sourceRulesMax = 1000;

/** Whether a caller may call, by which rule, and why in words. */
export interface SourceDecision {
  allowed: boolean;
  rule: { index: number; text: string } | null;
  reason: string;
}

/** Source rules made ready to decide. */
export interface SourceRules {
  readonly restricted: boolean;
  /** Rules of addresses and blocks, one entry for each length of prefix; by the first bits of who they hold for. */
  readonly blocks: readonly Blocks[];
  /** All other rules, in their order. */
  readonly wider: readonly CompiledRule[];
}

interface Blocks {
  family: 4 | 6;
  hostBits: bigint;
  byPrefix: Map<bigint, CompiledRule[]>;
}

interface CompiledRule {
  index: number;
  port: PortRange;
  text: string;
  holds(address: Address): boolean;
}

/** Either a block says all that it holds, or a function does. */
interface Source {
  text: string;
  block: Omit<AddressBlock, 'text'> | null;
  holds(address: Address): boolean;
}

/** The rules in their one form. Throws `ACCESS_RULES_INVALID` with what is wrong and where, or `ACCESS_LIST_TOO_LARGE`. */
export function normalizeSourceRules(rules: readonly SourceRule[]): SourceRule[] {
  if (rules.length > sourceRulesMax) {
    throw new AccessError('ACCESS_LIST_TOO_LARGE', [
      { at: '/rules', message: `a front has at most ${sourceRulesMax} source rules, not ${rules.length}` },
    ]);
  }
  const faults: AccessFault[] = [];
  const normal = rules.map((rule, index) => normalizeSourceRule(rule, `/rules/${index}`, faults));
  if (faults.length > 0) throw new AccessError('ACCESS_RULES_INVALID', faults);
  return normal;
}

/**
 * The rules in their one form, as they are put in place of others. An `app` has one rule, since a later one takes its
 * place (`addSourceRule`), and a rule is there once: what repeats is refused with where it was first.
 */
export function replaceSourceRules(rules: readonly SourceRule[]): SourceRule[] {
  const normal = normalizeSourceRules(rules);
  const first = new Map<string, number>();
  const faults: AccessFault[] = [];
  for (const [index, rule] of normal.entries()) {
    const key = JSON.stringify(rule.app === undefined ? [sourceRuleText(rule)] : ['app', rule.app]);
    const before = first.get(key);
    if (before === undefined) first.set(key, index);
    else if (rule.app === undefined)
      faults.push({ at: `/rules/${index}`, message: `says the same as rule ${before}` });
    else
      faults.push({ at: `/rules/${index}/app`, message: `is that of rule ${before}: an app has one rule` });
  }
  if (faults.length > 0) throw new AccessError('ACCESS_RULES_INVALID', faults);
  return normal;
}

/** The rules with one more, which takes the place of the one with the same `app`, or of one that says the same. */
export function addSourceRule(rules: readonly SourceRule[], rule: SourceRule): SourceRule[] {
  const faults: AccessFault[] = [];
  const added = normalizeSourceRule(rule, '', faults);
  if (faults.length > 0) throw new AccessError('ACCESS_RULES_INVALID', faults);
  const text = sourceRuleText(added);
  const kept = rules.filter((other) =>
    rule.app === undefined
      ? other.app !== undefined || sourceRuleText(other) !== text
      : other.app !== rule.app,
  );
  return normalizeSourceRules([...kept, added]);
}

/** Rules ready to decide. Throws as `normalizeSourceRules` does. */
export function compileSourceRules(restricted: boolean, rules: readonly SourceRule[]): SourceRules {
  const blocks = new Map<string, Blocks>();
  const wider: CompiledRule[] = [];
  for (const [index, normal] of normalizeSourceRules(rules).entries()) {
    const { block, ...rule } = compileSourceRule(normal, index);
    if (block === null) {
      wider.push(rule);
      continue;
    }
    const { family, value, prefix } = block;
    const hostBits = BigInt(addressBits(family) - prefix);
    const name = `${family}/${prefix}`;
    const same = blocks.get(name) ?? { family, hostBits, byPrefix: new Map<bigint, CompiledRule[]>() };
    blocks.set(name, same);
    const first = value >> hostBits;
    if (!same.byPrefix.get(first)?.push(rule)) same.byPrefix.set(first, [rule]);
  }
  return { restricted, blocks: [...blocks.values()], wider };
}

/** Decides on a caller. An address that is none is refused where there is a restriction. */
export function decideSource(rules: SourceRules, caller: { address: string; port: number }): SourceDecision {
  if (!rules.restricted) return { allowed: true, rule: null, reason: 'the front is not restricted' };
  const address = parseAddress(caller.address);
  const rule = address === null ? undefined : firstOf(rules, address, caller.port);
  if (rule !== undefined) {
    return {
      allowed: true,
      rule: { index: rule.index, text: rule.text },
      reason: `allowed by the source rule "${rule.text}"`,
    };
  }
  const shown = address?.text ?? caller.address;
  return { allowed: false, rule: null, reason: `no source rule allows ${shown} port ${caller.port}` };
}

/** Of several that allow it the first in the list is named. */
function firstOf({ blocks, wider }: SourceRules, address: Address, port: number): CompiledRule | undefined {
  let first = wider.find((rule) => portRangeHolds(rule.port, port) && rule.holds(address));
  for (const { family, hostBits, byPrefix } of blocks) {
    if (family !== address.family) continue;
    const found = byPrefix.get(address.value >> hostBits)?.find((rule) => portRangeHolds(rule.port, port));
    if (found !== undefined && found.index < (first?.index ?? Infinity)) first = found;
  }
  return first;
}

function normalizeSourceRule(rule: SourceRule, at: string, faults: AccessFault[]): SourceRule {
  const source = parseSource(rule.source);
  const port = parsePortRange(rule.sourcePort ?? '*');
  if (source === null) faults.push({ at: `${at}/source`, message: 'is no address, CIDR, from-to or *' });
  if (port === null) faults.push({ at: `${at}/sourcePort`, message: 'is no port (1-65535), from-to or *' });
  if (source === null || port === null) return rule;
  const portText = portRangeText(port);
  return {
    source: source.text,
    ...(portText === '*' ? {} : { sourcePort: portText }),
    ...(rule.app === undefined ? {} : { app: rule.app }),
  };
}

function compileSourceRule(rule: SourceRule, index: number): CompiledRule & Pick<Source, 'block'> {
  const source = parseSource(rule.source);
  const port = parsePortRange(rule.sourcePort ?? '*');
  if (source === null || port === null) throw new TypeError('a rule in its one form always parses');
  return { ...source, index, port, text: sourceRuleText(rule) };
}

function sourceRuleText(rule: SourceRule): string {
  return rule.sourcePort === undefined ? rule.source : `${rule.source} port ${rule.sourcePort}`;
}

function parseSource(text: string): Source | null {
  if (text === '*') return { text, block: null, holds: () => true };
  const address = parseAddress(text);
  if (address !== null) return rangeSource(address, address);
  const block = parseBlock(text);
  if (block !== null) return { text: block.text, block, holds: (other) => blockHolds(block, other) };
  const [from, to, rest] = text.split('-').map((part) => parseAddress(part.trim()));
  return from && to && rest === undefined ? rangeSource(from, to) : null;
}

function rangeSource(from: Address, to: Address): Source | null {
  if (from.family !== to.family || from.value > to.value) return null;
  const isOne = from.value === to.value;
  return {
    text: isOne ? from.text : `${from.text}-${to.text}`,
    block: isOne ? { family: from.family, value: from.value, prefix: addressBits(from.family) } : null,
    holds: ({ family, value }) => family === from.family && value >= from.value && value <= to.value,
  };
}
