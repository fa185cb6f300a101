/**
 * What runs now, as admin asks the router for it: fronts, clients with their tunnels, nodes. Live figures are null
 * when the node did not answer within half a second.
 */
import { Type, type Static } from 'typebox';
import { CloudListenerState, LastRefusal } from './connect.ts';
import { StreamProtocol } from './destination.ts';
import { pageItemsMax, pageOf, pageRequestProperties } from './object.ts';
import { defineQuestion } from './question.ts';

/** One front of the platform. `listening` has one entry for each node that answered, when live figures were asked for. */
export const Front = Type.Object({
  destinationId: Type.String(),
  gatewayId: Type.String(),
  name: Type.String({ description: 'the name of the destination' }),
  protocol: StreamProtocol,
  host: Type.String(),
  port: Type.Integer(),
  url: Type.String(),
  enabled: Type.Boolean({ description: 'destination and gateway are' }),
  listening: Type.Array(
    Type.Object({
      node: Type.String(),
      listening: Type.Boolean(),
      error: Type.Union([Type.String(), Type.Null()], {
        description:
          'what keeps it from serving: a port that is taken, a certificate that is not at the node',
      }),
      lastRefusal: Type.Optional(LastRefusal),
    }),
  ),
});
export type Front = Static<typeof Front>;

/** The fronts of all gateways, of those named, or of some destinations. */
export const listFronts = defineQuestion(
  'router.fronts.list',
  Type.Object({
    ...pageRequestProperties,
    gatewayIds: Type.Optional(Type.Array(Type.String(), { maxItems: 1000 })),
    destinationIds: Type.Optional(Type.Array(Type.String(), { maxItems: pageItemsMax })),
    live: Type.Optional(Type.Boolean({ description: 'ask the nodes whether they listen' })),
  }),
  pageOf(Front),
);

/** A connected client. */
export const ConnectedClient = Type.Object({
  id: Type.String(),
  gatewayId: Type.String(),
  name: Type.String(),
  version: Type.String(),
  platform: Type.String(),
  address: Type.String(),
  connectedAt: Type.String(),
  ownAccessList: Type.Boolean({ description: 'whether it enforces a list of its own too' }),
  listeners: Type.Array(CloudListenerState, {
    description: 'for which cloud destinations it listens, and why not; empty where no node knows now',
  }),
  tunnels: Type.Array(
    Type.Object({
      id: Type.String(),
      node: Type.String(),
      transport: Type.Union([Type.Literal('direct'), Type.Literal('websocket')]),
      tokenId: Type.Union([Type.String(), Type.Null()]),
      connectedAt: Type.String(),
      roundTripMs: Type.Union([Type.Number(), Type.Null()]),
      streams: Type.Union([Type.Integer(), Type.Null()]),
    }),
  ),
});
export type ConnectedClient = Static<typeof ConnectedClient>;

/** The clients of a gateway that are connected now, or the one with that ID. */
export const listClients = defineQuestion(
  'router.clients.list',
  Type.Object({ ...pageRequestProperties, gatewayId: Type.String(), clientId: Type.Optional(Type.String()) }),
  pageOf(ConnectedClient),
);

/** A node as the router sees it. `heard` is false when it has been silent for longer than 3 s. */
export const FleetNode = Type.Object({
  name: Type.String(),
  bootId: Type.String(),
  startedAt: Type.String(),
  version: Type.String(),
  zone: Type.String(),
  address: Type.String({ description: 'host:port of its tunnel port' }),
  heard: Type.Boolean(),
  ready: Type.Boolean(),
  draining: Type.Boolean(),
  tunnels: Type.Integer(),
  callers: Type.Union([Type.Integer(), Type.Null()], {
    description: "callers' connections as of its last beat; null where it does not say",
  }),
  behind: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'what has changed and it could not fetch (`router.routes`, `acl.policies`, `certstore.certificates`): it goes on with what it had. Missing where there is nothing',
    }),
  ),
});
export type FleetNode = Static<typeof FleetNode>;

/** All nodes that are not forgotten; there are too few to page. */
export const listNodes = defineQuestion(
  'router.nodes.list',
  Type.Object({}),
  Type.Object({ items: Type.Array(FleetNode) }),
);
