/**
 * Whether a caller may have its stream, in the order of design.md, "Fronts": destination, gateway, source rules, access
 * list. Pure, so that the same words decide at accept and again when a rule changes under a running stream.
 */
import { decide, decideSource, fromList, type AccessList, type AccessTarget } from '@postern/access';
import type { FrontRoute, Policy, Route } from '@postern/contracts';
import type { CallerCause } from '../errors.ts';
import { accessListOf, sourceRulesOf } from './rulebook.ts';

/** Who calls. */
export interface CallerAddress {
  address: string;
  port: number;
}

/** Where the client is to dial. */
export interface Target {
  host: string;
  port: number;
  /** Of a request; what has no path is denied by rules with one, and never allowed. */
  path?: string;
  /** A second one that a request names; null where it has no path that can be read. */
  otherPath?: string | null;
  /** Of a connection for requests whose paths somebody else asks about: it may be where some path may. */
  somePath?: boolean;
}

/** Why a new caller is turned away; null when it may try for a client. */
export function judgeNew(
  route: Route,
  policy: Policy | undefined,
  caller: CallerAddress,
  target: Target = { host: route.resource.host, port: route.resource.port },
): CallerCause | null {
  if (!route.enabled)
    return { code: 'EDGE_DESTINATION_DISABLED', text: 'the destination is disabled', end: 'edge' };
  return judgeRunning(route, policy, caller, target);
}

/**
 * Why a stream that runs may not go on; null when it may. A disabled destination is no reason: what runs goes on. The
 * access list is asked about the target that the stream was opened to.
 */
export function judgeRunning(
  route: Route | undefined,
  policy: Policy | undefined,
  caller: CallerAddress,
  target: Target,
): CallerCause | null {
  if (route === undefined)
    return { code: 'EDGE_DESTINATION_DELETED', text: 'the destination was deleted', end: 'edge' };
  if (!route.gatewayEnabled || policy === undefined || !policy.enabled) {
    return { code: 'EDGE_GATEWAY_DISABLED', text: 'the gateway is disabled or deleted', end: 'edge' };
  }
  return judgeSource(policy, route.id, caller) ?? judgeAccess(policy, target);
}

/** Why a caller of an HTTP front may have no TLS handshake; null when it may, and where there is no TLS. */
export function judgeHandshake(
  route: FrontRoute,
  policy: Policy | undefined,
  caller: CallerAddress,
): CallerCause | null {
  if (route.front.tls.mode === 'none' || policy === undefined) return null;
  return judgeSource(policy, route.id, caller);
}

/** Why a connection to a resource that waits for its next request may not be kept; null when it may. */
export function judgeKept(route: Route | undefined, policy: Policy | undefined): CallerCause | null {
  if (route === undefined)
    return { code: 'EDGE_DESTINATION_DELETED', text: 'the destination was deleted', end: 'edge' };
  if (!route.gatewayEnabled || policy === undefined || !policy.enabled) {
    return { code: 'EDGE_GATEWAY_DISABLED', text: 'the gateway is disabled or deleted', end: 'edge' };
  }
  const { host, port } = route.resource;
  return judgeAccess(policy, { host, port, somePath: true });
}

/** Whether a client's own list, as far as it is known here, would refuse the target. */
export function judgeOwn(own: AccessList | null, target: Target): CallerCause | null {
  if (own === null) return null;
  const decision = fromList('client', decide(own, target));
  return decision.allowed ? null : denial('EDGE_CLIENT_DENIED', 'client', decision);
}

function judgeSource(policy: Policy, destinationId: string, caller: CallerAddress): CallerCause | null {
  const decision = decideSource(sourceRulesOf(policy, destinationId), caller);
  return decision.allowed ? null : denial('EDGE_SOURCE_DENIED', 'edge', decision);
}

function judgeAccess(policy: Policy, target: AccessTarget): CallerCause | null {
  const decision = fromList('gateway', decide(accessListOf(policy), target));
  return decision.allowed ? null : denial('EDGE_ACCESS_DENIED', 'edge', decision);
}

function denial(
  code: CallerCause['code'],
  end: CallerCause['end'],
  decision: { reason: string; rule: { index: number; text: string } | null },
): CallerCause {
  const cause: CallerCause = { code, text: decision.reason, end };
  if (decision.rule !== null) cause.rule = `${decision.rule.index}: ${decision.rule.text}`;
  return cause;
}
