/** What several tests of the edge begin with: a gateway `g1` that allows everything, a destination `d1`. */
import type { Policy, Route } from '@postern/contracts';

/** A policy that allows all. */
export function policyOf(change: Partial<Policy> = {}): Policy {
  return {
    id: 'g1',
    gatewayName: 'plant',
    enabled: true,
    requireToken: true,
    accessListRevision: 1,
    accessList: [{ action: 'allow', host: '*', port: '*' }],
    sourceRules: [],
    revokedTokens: [],
    ...change,
  };
}

/** An enabled destination. */
export function routeOf(change: Partial<Route> = {}): Route {
  return {
    id: 'd1',
    gatewayId: 'g1',
    gatewayName: 'plant',
    name: 'orders-db',
    enabled: true,
    gatewayEnabled: true,
    resource: { host: '10.0.0.5', port: 5432, connectTimeoutSeconds: 5, idleTimeoutSeconds: 0 },
    front: { protocol: 'tcp', host: '127.0.0.1', port: 0 },
    ...change,
  };
}
