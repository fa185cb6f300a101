/** acl: owns access lists, source rules, security tokens and API keys; signs session tickets. */
export { aclOptions } from './config.ts';
export { createAcl } from './service.ts';
