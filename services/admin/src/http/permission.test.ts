import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ApiKey, Role } from '@postern/contracts';
import { demandPermission, permissions } from './permission.ts';

const keyWith = (role: Role, gateways: string[] | null): ApiKey => ({
  id: 'k1',
  revision: 1,
  createdAt: '',
  modifiedAt: '',
  name: 'k',
  role,
  gateways,
});

/** Whether a key may call a route; of a gateway's, for that gateway. */
function may(route: string, role: Role, gateways: string[] | null, gatewayId?: string): boolean {
  const permission = permissions[route];
  assert(permission, route);
  try {
    demandPermission(permission, keyWith(role, gateways), gatewayId);
    return true;
  } catch {
    return false;
  }
}

const routes = Object.keys(permissions);

describe('an API key', () => {
  it('of a viewer reads, of an operator changes, and of an owner alone makes keys, copies all, and turns the key', () => {
    const asks = 'POST /gateways/:gatewayId/access-list/explain';
    for (const route of routes) {
      const isOwners = /\/(api-keys|backups|restores)\b/.test(route) || route === 'POST /key-rotation';
      const isRead = (route.startsWith('GET ') || route === asks) && !isOwners;
      assert.equal(may(route, 'viewer', null, 'g1'), isRead, route);
      assert.equal(may(route, 'operator', null, 'g1'), !isOwners, route);
      assert(may(route, 'owner', null, 'g1'), route);
    }
  });

  it('for certain gateways calls what is theirs, and of the rest only what answers with theirs or with nothing', () => {
    for (const route of routes) {
      const isOfGateway = route.includes(' /gateways/:gatewayId');
      const isOfAll = ['GET /gateways', 'GET /fronts', 'GET /health'].includes(route);
      const gatewayId = isOfGateway ? 'g1' : undefined;
      assert.equal(may(route, 'owner', ['g0', 'g1'], gatewayId), isOfGateway || isOfAll, route);
      assert.equal(may(route, 'owner', ['g2'], gatewayId), isOfAll, route);
      if (isOfGateway) assert(!may(route, 'owner', ['g1'], undefined), route);
    }
  });
});
