/** How a resource is reached for a stream, by the client (on-premises destinations) and by a node (cloud ones). */
export { errorText, systemCode } from './error-text.ts';
export { Hosts, addressesPerNameMax, type Lookup } from './hosts.ts';
export {
  ResourceError,
  denialNow,
  dialResource,
  type DialingEnd,
  type ResourceGuard,
  type ResourceParts,
  type ResourceTarget,
} from './resource-dialer.ts';
