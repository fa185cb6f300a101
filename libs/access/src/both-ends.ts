/** Access as both ends decide it together: the gateway's list and, where the client has one, its own. Both must allow. */
import { decide, type AccessList, type AccessTarget, type ListDecision } from './access-list.ts';

/** Which rule of which list decided, and why in words. */
export interface AccessDecision {
  allowed: boolean;
  rule: { list: 'gateway' | 'client'; index: number; text: string } | null;
  reason: string;
}

/**
 * Decides with both lists; `own` is null for a client that has none. A denial is the gateway's when both deny. Where both
 * allow, the rule is the gateway's.
 */
export function decideBoth(
  gateway: AccessList,
  own: AccessList | null,
  target: AccessTarget,
): AccessDecision {
  const atGateway = fromList('gateway', decide(gateway, target));
  if (!atGateway.allowed || own === null) return atGateway;
  const atClient = fromList('client', decide(own, target));
  if (!atClient.allowed) return atClient;
  return { ...atGateway, reason: `${atGateway.reason}; ${atClient.reason}` };
}

/** The decision of one list, said to be that list's. */
export function fromList(list: 'gateway' | 'client', decision: ListDecision): AccessDecision {
  const owner = list === 'gateway' ? "the gateway's access list" : "the client's own access list";
  return {
    allowed: decision.allowed,
    rule: decision.rule === null ? null : { list, ...decision.rule },
    reason: `${owner}: ${decision.reason}`,
  };
}
