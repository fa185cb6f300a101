/** A destination as a node needs it to serve its front. */
import { Type, type Static } from 'typebox';
import { DestinationFront, DestinationHealth, DestinationResource } from './destination.ts';

/** One route, followed by every node (feed `router.routes`). `id` is the destination's. */
export const Route = Type.Object({
  id: Type.String(),
  gatewayId: Type.String(),
  gatewayName: Type.String(),
  name: Type.String(),
  enabled: Type.Boolean(),
  gatewayEnabled: Type.Boolean(),
  resource: DestinationResource,
  front: DestinationFront,
  health: DestinationHealth,
});
export type Route = Static<typeof Route>;
