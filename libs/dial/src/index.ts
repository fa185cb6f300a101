/** How a resource is reached for a stream, by the client (on-premises destinations) and by a node (cloud ones). */
export { Checks, type Check, type Finding } from './checks.ts';
export { errorText, systemCode } from './error-text.ts';
export { Hosts, type Lookup, type ResourceHosts } from './hosts.ts';
export type { ResourceGuard } from './find-resource.ts';
export type { MaterialSource, TlsMaterial } from './material.ts';
export { reachResource, type Reached } from './reach.ts';
export { denialNow, type ResourceParts } from './resource-dialer.ts';
export { ResourceError, type DialingEnd } from './resource-error.ts';
export { type ResourceProxy, signInFault, socksReason } from './socks.ts';
export type { DialStep } from './step.ts';
export { tryResource } from './trial.ts';
