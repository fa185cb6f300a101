/** acl: owns access lists, source rules, security tokens and API keys; signs session tickets. */
export { aclOptions, program as aclProgram, type AclOptions } from './config.ts';
export { createAcl, type AclParts } from './service.ts';
