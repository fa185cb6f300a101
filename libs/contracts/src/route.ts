/** A destination as nodes need it: to serve its front, or to dial its resource for callers on premises. */
import { Type, type Static } from 'typebox';
import {
  DestinationFront,
  DestinationHealth,
  DestinationKind,
  DestinationListener,
  DestinationResource,
} from './destination.ts';

/**
 * One route, followed by every node (feed `router.routes`). `id` is the destination's. On-premises ones have a front,
 * cloud ones `clientPort` in its place.
 */
export const Route = Type.Object({
  id: Type.String(),
  gatewayId: Type.String(),
  gatewayName: Type.String(),
  name: Type.String(),
  kind: DestinationKind,
  enabled: Type.Boolean(),
  gatewayEnabled: Type.Boolean(),
  resource: DestinationResource,
  front: Type.Optional(DestinationFront),
  shared: Type.Boolean({
    description:
      'its front is on a port of the platform’s, told apart by its server name or, without TLS, by Host',
  }),
  clientPort: Type.Optional(Type.Integer()),
  listener: Type.Optional(DestinationListener),
  health: DestinationHealth,
});
export type Route = Static<typeof Route>;

/** A route of an on-premises destination. */
export type FrontRoute = Route & { front: DestinationFront };

/** Whether callers reach it by a front. */
export function hasFront(route: Route): route is FrontRoute {
  return route.front !== undefined;
}
