/**
 * Who may call what: one table, route to role and reach. Every route must be in it, or the server does not start.
 *
 *   role   the least that a key must have; owner > operator > viewer
 *   reach  platform  concerns everything: keys that are for certain gateways only are refused
 *          gateway   concerns the gateway in the path, which must be one of the key's
 *          own       answers only with what belongs to the key's gateways; the handler filters
 *          none      says nothing of any gateway
 *
 * A key that is for certain gateways gets the same answer for every other ID, whether such a gateway exists or not.
 */
import type { Actor, ApiKey, Role } from '@postern/contracts';
import { adminError } from '../errors.ts';

/** What a route asks of the key that calls it. */
export interface Permission {
  readonly role: Role;
  readonly reach: 'platform' | 'gateway' | 'own' | 'none';
}

const viewer = (reach: Permission['reach']): Permission => ({ role: 'viewer', reach });
const operator = (reach: Permission['reach']): Permission => ({ role: 'operator', reach });
const owner = (reach: Permission['reach']): Permission => ({ role: 'owner', reach });

/** Route to permission. Paths are below `/api/v1`. */
export const permissions: Readonly<Record<string, Permission>> = {
  'GET /health': viewer('none'),

  'GET /gateways': viewer('own'),
  'POST /gateways': operator('platform'),
  'GET /gateways/:gatewayId': viewer('gateway'),
  'PATCH /gateways/:gatewayId': operator('gateway'),
  'DELETE /gateways/:gatewayId': operator('gateway'),

  'GET /gateways/:gatewayId/tokens': viewer('gateway'),
  'POST /gateways/:gatewayId/tokens': operator('gateway'),
  'GET /gateways/:gatewayId/tokens/:tokenId': viewer('gateway'),
  'DELETE /gateways/:gatewayId/tokens/:tokenId': operator('gateway'),

  'GET /gateways/:gatewayId/destinations': viewer('gateway'),
  'POST /gateways/:gatewayId/destinations': operator('gateway'),
  'GET /gateways/:gatewayId/destinations/:destinationId': viewer('gateway'),
  'PATCH /gateways/:gatewayId/destinations/:destinationId': operator('gateway'),
  'DELETE /gateways/:gatewayId/destinations/:destinationId': operator('gateway'),
  'POST /gateways/:gatewayId/destinations/:destinationId/test': operator('gateway'),

  'GET /gateways/:gatewayId/destinations/:destinationId/source-rules': viewer('gateway'),
  'PUT /gateways/:gatewayId/destinations/:destinationId/source-rules': operator('gateway'),
  'POST /gateways/:gatewayId/destinations/:destinationId/source-rules': operator('gateway'),

  'GET /gateways/:gatewayId/access-list': viewer('gateway'),
  'PUT /gateways/:gatewayId/access-list': operator('gateway'),
  'POST /gateways/:gatewayId/access-list/explain': viewer('gateway'),

  'GET /gateways/:gatewayId/clients': viewer('gateway'),
  'GET /gateways/:gatewayId/clients/:clientId': viewer('gateway'),
  'DELETE /gateways/:gatewayId/clients/:clientId': operator('gateway'),
  'POST /gateways/:gatewayId/clients/:clientId/ping': operator('gateway'),

  'GET /fronts': viewer('own'),
  'GET /nodes': viewer('platform'),
  'GET /nodes/:nodeName': viewer('platform'),
  'POST /nodes/:nodeName/drain': operator('platform'),

  'GET /certificates': viewer('platform'),
  'POST /certificates': operator('platform'),
  'POST /certificates/generate': operator('platform'),
  'GET /certificates/:certificateId': viewer('platform'),
  'PATCH /certificates/:certificateId': operator('platform'),
  'DELETE /certificates/:certificateId': operator('platform'),
  'GET /key-rotation': viewer('platform'),
  'POST /key-rotation': owner('platform'),

  'POST /backups': owner('platform'),
  'GET /backups/:room/:handle': owner('platform'),
  'POST /restores': owner('platform'),
  'POST /restores/:restoreId/pieces': owner('platform'),
  'POST /restores/:restoreId/check': owner('platform'),
  'POST /restores/:restoreId/commit': owner('platform'),
  'DELETE /restores/:restoreId': owner('platform'),

  'GET /api-keys': owner('platform'),
  'POST /api-keys': owner('platform'),
  'GET /api-keys/:apiKeyId': owner('platform'),
  'DELETE /api-keys/:apiKeyId': owner('platform'),
};

const rank: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, owner: 2 };

/** What an owner must be told of the key, where a body may name what belongs to no gateway. */
export function keyReach({ gateways }: ApiKey): { keyGateways?: string[] } {
  return gateways === null ? {} : { keyGateways: gateways };
}

/** What an owner is told of the key, to say later who asked. */
export function actorOf({ id, name }: ApiKey): { by: Actor } {
  return { by: { id, name } };
}

/** Throws `ADMIN_ROLE_DENIED` or `ADMIN_GATEWAY_DENIED` unless the key may call the route. */
export function demandPermission(permission: Permission, key: ApiKey, gatewayId: string | undefined): void {
  if (rank[key.role] < rank[permission.role]) {
    throw adminError(
      'ADMIN_ROLE_DENIED',
      `this call needs an API key with the role ${permission.role}, and this one has ${key.role}`,
    );
  }
  if (key.gateways === null) return;
  switch (permission.reach) {
    case 'platform':
      throw adminError(
        'ADMIN_GATEWAY_DENIED',
        'this API key is for certain gateways only, and the call is for all',
      );
    case 'gateway':
      if (gatewayId === undefined || !key.gateways.includes(gatewayId)) {
        throw adminError('ADMIN_GATEWAY_DENIED', 'this API key is not for this gateway');
      }
      return;
    case 'own':
    case 'none':
  }
}
