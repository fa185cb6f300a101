/**
 * The rules of an access list: their form, what is refused in them, and the one way to write each.
 * A list has at most `accessRulesMax` rules and, as JSON, `accessListBytesMax` bytes, so that it fits one frame of a
 * tunnel beside what else that frame carries.
 */
import { AccessError, type AccessFault } from './access-error.ts';
import { parseHostPattern } from './host.ts';
import { parsePortRange, portRangeText } from './port-range.ts';

/**
 * One rule. `host` is an address, a block, a name, `*.name` or `*`; `port` a port, `from-to` or `*`; `path` a prefix,
 * which may be written with a `*` at its end.
 */
export interface AccessRule {
  action: 'allow' | 'deny';
  host: string;
  port: string;
  path?: string;
}

/** Most rules of one list. */
export const accessRulesMax = 1000;
/** Most bytes of one list as JSON. */
export const accessListBytesMax = 56 * 1024;
const pathCharactersMax = 1024;

/**
 * Rules as they were written, in their one form (addresses compressed, blocks without host bits, names in small letters,
 * paths without `*`). Throws `ACCESS_RULES_INVALID` with what is wrong and where, or `ACCESS_LIST_TOO_LARGE`.
 */
export function normalizeRules(rules: readonly AccessRule[]): AccessRule[] {
  const normal = normalizeStored(rules);
  const faults = normal.flatMap(({ path = '' }, index) =>
    path.includes('*') ? [{ at: `/rules/${index}/path`, message: wildPath }] : [],
  );
  if (faults.length > 0) throw new AccessError('ACCESS_RULES_INVALID', faults);
  return normal;
}

const wildPath = 'a path is a prefix: * may stand only at its end, and is %2A where the character is meant';

/** The same of rules that were taken already, perhaps by a version that took a `*` in the middle of a path, for itself. */
export function normalizeStored(rules: readonly AccessRule[]): AccessRule[] {
  if (rules.length > accessRulesMax) {
    throw tooLarge(`a list has at most ${accessRulesMax} rules, not ${rules.length}`);
  }
  const faults: AccessFault[] = [];
  const normal = rules.map((rule, index) => normalizeRule(rule, `/rules/${index}`, faults));
  if (faults.length > 0) throw new AccessError('ACCESS_RULES_INVALID', faults);
  const bytes = Buffer.byteLength(JSON.stringify(normal));
  if (bytes > accessListBytesMax) {
    throw tooLarge(`a list has at most ${accessListBytesMax} bytes as JSON, not ${bytes}`);
  }
  return normal;
}

/** How a rule is shown: `allow 10.0.0.5:5432`, `deny [fd00::/8]:*`, `allow erp.local:443/orders`. */
export function ruleText(rule: AccessRule): string {
  return `${rule.action} ${hostText(rule.host)}:${rule.port}${rule.path ?? ''}`;
}

/** A host as it stands before a port: IPv6 in brackets. */
export function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function normalizeRule(rule: AccessRule, at: string, faults: AccessFault[]): AccessRule {
  const host = parseHostPattern(rule.host);
  const port = parsePortRange(rule.port);
  if (host === null) {
    faults.push({
      at: `${at}/host`,
      message: `"${shown(rule.host)}" is no address, CIDR, name, *.name or *`,
    });
  }
  if (port === null) {
    faults.push({ at: `${at}/port`, message: `"${shown(rule.port)}" is no port (1-65535), from-to or *` });
  }
  if (rule.path !== undefined) checkPath(rule.path, `${at}/path`, faults);
  if (host === null || port === null) return rule;
  const path = rule.path === undefined ? {} : { path: rule.path.replace(/\*+$/, '') };
  return { action: rule.action, host: host.text, port: portRangeText(port), ...path };
}

function checkPath(path: string, at: string, faults: AccessFault[]): void {
  if (!path.startsWith('/')) faults.push({ at, message: 'a path begins with /' });
  else if (path.length > pathCharactersMax) {
    faults.push({ at, message: `a path has at most ${pathCharactersMax} characters` });
  } else if (/[\s?#]|\p{Cc}/u.test(path)) {
    faults.push({ at, message: 'a path has no white space, ? or #' });
  }
}

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function tooLarge(message: string): AccessError {
  return new AccessError('ACCESS_LIST_TOO_LARGE', [{ at: '/rules', message }]);
}
