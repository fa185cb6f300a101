/** A destination as a node needs it to serve its front. */
import { Type, type Static } from 'typebox';

/** One route, followed by every node (feed `router.routes`). `id` is the destination's. */
export const Route = Type.Object({
  id: Type.String(),
  gatewayId: Type.String(),
  gatewayName: Type.String(),
  name: Type.String(),
  enabled: Type.Boolean(),
  gatewayEnabled: Type.Boolean(),
  resource: Type.Object({
    host: Type.String(),
    port: Type.Integer(),
    connectTimeoutSeconds: Type.Integer(),
    idleTimeoutSeconds: Type.Integer(),
  }),
  front: Type.Object({ protocol: Type.Literal('tcp'), host: Type.String(), port: Type.Integer() }),
});
export type Route = Static<typeof Route>;
