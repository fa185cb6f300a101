/**
 * Presence: which node has which tunnels up (design.md, Connecting 2; docs/ARCHITECTURE.md, "Presence").
 * Each node announces under its name and boot ID with a sequence that grows by one at each change, and beats
 * once a second with a digest of its set; whoever sees a gap or another digest asks the node for the set.
 */
import { Type, type Static } from 'typebox';
import { AccessRule } from './access.ts';
import { ClientFacts, NodeAddress } from './connect.ts';
import { defineNotice, defineQuestion } from './question.ts';

/** One tunnel as others see it. */
export const TunnelPresence = Type.Object({
  tunnelId: Type.String(),
  gatewayId: Type.String(),
  clientId: Type.String(),
  bootId: Type.String(),
  tokenId: Type.Union([Type.String(), Type.Null()]),
  transport: Type.Union([Type.Literal('direct'), Type.Literal('websocket')]),
  address: Type.String(),
  connectedAt: Type.String(),
  facts: ClientFacts,
  ownRules: Type.Union([Type.Array(AccessRule, { maxItems: 1000 }), Type.Null()]),
});
export type TunnelPresence = Static<typeof TunnelPresence>;

const origin = {
  node: Type.String(),
  bootId: Type.String(),
  startedAt: Type.String(),
  sequence: Type.Integer({ minimum: 0 }),
};

/** A tunnel came up, changed or went down. */
export const tunnelChanged = defineNotice(
  'presence.tunnel',
  Type.Object({
    ...origin,
    up: Type.Optional(TunnelPresence),
    down: Type.Optional(Type.Object({ tunnelId: Type.String() })),
  }),
);

/** What a node says of itself once a second. */
export const NodeBeat = Type.Object({
  ...origin,
  digest: Type.String({ description: 'SHA-256 over the sorted tunnel IDs, base64url' }),
  tunnels: Type.Integer(),
  address: NodeAddress,
  ready: Type.Boolean(),
  draining: Type.Boolean(),
  goodbye: Type.Boolean(),
  version: Type.String(),
});
export type NodeBeat = Static<typeof NodeBeat>;

/** A node is alive: once a second, and with `goodbye` when it leaves. */
export const nodeBeat = defineNotice('presence.beat', NodeBeat);

/** The whole set of one node; asked at `presence.snapshot.<node>`. */
export const nodeSnapshot = defineQuestion(
  'presence.snapshot',
  Type.Object({}),
  Type.Object({ ...origin, address: NodeAddress, tunnels: Type.Array(TunnelPresence) }),
);

/** Live figures of a node's tunnels; asked at `edge.tunnels.list.<node>`. */
export const listTunnels = defineQuestion(
  'edge.tunnels.list',
  Type.Object({ gatewayId: Type.Optional(Type.String()) }),
  Type.Object({
    node: Type.String(),
    tunnels: Type.Array(
      Type.Object({
        tunnelId: Type.String(),
        clientId: Type.String(),
        roundTripMs: Type.Union([Type.Number(), Type.Null()]),
        streams: Type.Integer(),
      }),
    ),
    fronts: Type.Array(
      Type.Object({
        destinationId: Type.String(),
        listening: Type.Boolean(),
        error: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
  }),
);

/** Ends a client wherever it has tunnels; it exits with 0. */
export const endClient = defineNotice(
  'edge.client.end',
  Type.Object({ gatewayId: Type.String(), clientId: Type.String(), reason: Type.String() }),
);
