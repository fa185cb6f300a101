/**
 * Access lists as files, in the grammar that the old product's clients used. One rule a line:
 *
 *   acl allow|deny [host]:[port][/path]     an empty host or port stands for all
 *   no acl                                  forgets every rule so far
 *   no acl [host]:[port][/path]             forgets those rules
 *   # comment                               also after a rule, behind white space
 *
 * IPv6 stands in brackets. What the old grammar lacks is written in the same places: `10.0.0.0/24:5432`,
 * `[fd00::/8]:443`, `*.corp:8000-8100`. Nothing is passed over in silence: a line that is none of these is a fault
 * with its number, and then no rule of the file is taken.
 */
import { AccessError, faultsMax, type AccessFault } from './access-error.ts';
import { accessRulesMax, normalizeRules, type AccessRule } from './rule.ts';

/** Most bytes of a file. */
export const aclFileBytesMax = 1024 * 1024;

type Target = Omit<AccessRule, 'action'>;

/** The rules of a file, in their one form. Throws `ACCESS_FILE_INVALID` with the lines that are wrong, or `ACCESS_LIST_TOO_LARGE`. */
export function parseAclFile(text: string): AccessRule[] {
  if (Buffer.byteLength(text) > aclFileBytesMax) {
    throw new AccessError('ACCESS_LIST_TOO_LARGE', [
      { at: 'file', message: `a file has at most ${aclFileBytesMax} bytes` },
    ]);
  }
  const faults: AccessFault[] = [];
  let rules: AccessRule[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .entries()) {
    try {
      rules = applyLine(rules, line.replace(/(^|\s)#.*$/, '').trim());
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      faults.push(...error.faults.map(({ message }) => ({ at: `line ${index + 1}`, message })));
    }
    if (rules.length > accessRulesMax || faults.length >= faultsMax) break;
  }
  if (faults.length > 0) throw new AccessError('ACCESS_FILE_INVALID', faults);
  return normalizeRules(rules);
}

function applyLine(rules: AccessRule[], line: string): AccessRule[] {
  const words = line.split(/\s+/);
  const [first, second, third] = words.map((word) => word.toLowerCase());
  if (line === '') return rules;
  if (first === 'no' && second === 'acl') {
    if (words.length === 2) return [];
    if (words.length === 3) return forget(rules, parseTarget(words[2] ?? ''));
  }
  if (
    first === 'acl' &&
    (second === 'allow' || second === 'deny') &&
    third !== undefined &&
    words.length === 3
  ) {
    rules.push({ action: second, ...parseTarget(words[2] ?? '') });
    return rules;
  }
  throw fault('expected "acl allow|deny [host]:[port][/path]", "no acl" or "no acl [host]:[port]"');
}

function forget(rules: AccessRule[], target: Target): AccessRule[] {
  return rules.filter(
    (rule) => rule.host !== target.host || rule.port !== target.port || rule.path !== target.path,
  );
}

/** Splits `host:port/path` at the colon behind the brackets, or at the first one where there are none. */
function parseTarget(text: string): Target {
  // It would be read as every port of a host called http, with a path.
  if (/^(https?|wss?|tcp|tls|udp):\/\//i.test(text))
    throw fault(
      `"${text.slice(0, 80)}" is a URL: write [host]:[port][/path] alone, without what stands before the host`,
    );
  const match = /^(?:\[([^\]]*)\](\/\d+)?|([^:[\]]*)):([^/:]*)(\/.*)?$/.exec(text);
  if (match === null)
    throw fault(`"${text.slice(0, 80)}" is no [host]:[port][/path]; IPv6 stands in brackets`);
  const [, bracketed, bracketedPrefix = '', plain = '', port = '', path] = match;
  const host = bracketed === undefined ? plain : bracketed + bracketedPrefix;
  if (bracketed !== undefined && !bracketed.includes(':')) throw fault('only IPv6 stands in brackets');
  const rule: AccessRule = {
    action: 'allow',
    host: host || '*',
    port: port || '*',
    ...(path ? { path } : {}),
  };
  const [normal = rule] = normalizeRules([rule]);
  return {
    host: normal.host,
    port: normal.port,
    ...(normal.path === undefined ? {} : { path: normal.path }),
  };
}

function fault(message: string): AccessError {
  return new AccessError('ACCESS_FILE_INVALID', [{ at: 'line', message }]);
}
