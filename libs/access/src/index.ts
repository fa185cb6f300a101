/** Access lists and source rules: parse, decide, explain. Pure: no clock, no network, no files. */
export { AccessError } from './access-error.ts';
export { parseAddress, reachedBy } from './address.ts';
export {
  compileAccessList,
  decide,
  decideResolved,
  type AccessList,
  type AccessTarget,
} from './access-list.ts';
export { aclFileBytesMax, parseAclFile } from './acl-file.ts';
export { decideBoth, fromList, type AccessDecision } from './both-ends.ts';
export { comparedName, isHost, toAsciiHost } from './host.ts';
export { parsePortRange, type PortRange } from './port-range.ts';
export { normalizePath } from './path.ts';
export { normalizeRules, type AccessRule } from './rule.ts';
export {
  addSourceRule,
  compileSourceRules,
  decideSource,
  replaceSourceRules,
  type SourceRule,
  type SourceRules,
} from './source-rule.ts';
