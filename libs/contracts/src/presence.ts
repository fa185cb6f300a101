/**
 * Presence: which node has which tunnels up (design.md, Connecting 2; docs/ARCHITECTURE.md, "Presence").
 * Each node announces under its name and boot ID with a sequence that grows by one at each change, and beats
 * once a second with a digest of its set; whoever sees a gap or another digest asks the node for the set.
 */
import { Type, type Static } from 'typebox';
import { AccessRule } from './access.ts';
import { ClientFacts, CloudListenerState, LastRefusal, NodeAddress } from './connect.ts';
import { FeatureNames } from './feature.ts';
import { pageItemsMax } from './object.ts';
import { defineNotice, defineQuestion } from './question.ts';

/** Everybody keeps what is announced, thousands of these. */
const word = Type.String({ maxLength: 255 });

/** One tunnel as others see it. */
export const TunnelPresence = Type.Object({
  tunnelId: word,
  gatewayId: word,
  clientId: word,
  bootId: word,
  tokenId: Type.Union([word, Type.Null()]),
  transport: Type.Union([Type.Literal('direct'), Type.Literal('websocket')]),
  address: word,
  connectedAt: word,
  facts: ClientFacts,
  ownRules: Type.Union([Type.Array(AccessRule, { maxItems: 1000 }), Type.Null()]),
  features: Type.Optional(FeatureNames),
});
export type TunnelPresence = Static<typeof TunnelPresence>;

const origin = {
  node: word,
  bootId: word,
  startedAt: word,
  sequence: Type.Integer({ minimum: 0 }),
};

/** A tunnel came up, changed (`up` again), or went down. */
export const TunnelNotice = Type.Object({
  ...origin,
  up: Type.Optional(TunnelPresence),
  down: Type.Optional(Type.Object({ tunnelId: word })),
});
export type TunnelNotice = Static<typeof TunnelNotice>;

/** Announced at each change of a node's set; the sequence grows by one each time. */
export const tunnelChanged = defineNotice('presence.tunnel', TunnelNotice);

/** What a node says of itself once a second. */
export const NodeBeat = Type.Object({
  ...origin,
  digest: Type.String({
    maxLength: 255,
    description: 'XOR of the SHA-256 of each tunnel ID, base64url: cheap to keep at each change',
  }),
  tunnels: Type.Integer(),
  address: NodeAddress,
  link: Type.Optional(
    Type.Object(
      {
        host: Type.String({ minLength: 1, maxLength: 255 }),
        port: Type.Integer({ minimum: 1, maximum: 65535 }),
      },
      { description: 'where other nodes open their links; missing where there are none' },
    ),
  ),
  ready: Type.Boolean(),
  draining: Type.Boolean(),
  callers: Type.Optional(Type.Integer({ minimum: 0, description: "callers' connections now" })),
  behind: Type.Optional(
    Type.Array(word, {
      maxItems: 16,
      description: 'the feeds that have changed and could not be fetched; missing where there is none',
    }),
  ),
  goodbye: Type.Boolean(),
  version: word,
});
export type NodeBeat = Static<typeof NodeBeat>;

/** A node is alive: once a second, and with `goodbye` when it leaves. */
export const nodeBeat = defineNotice('presence.beat', NodeBeat);

/**
 * A page of the set of one node, in the order of tunnel IDs. All pages together are the set at the sequence of the
 * first, once every announcement above that is applied (again): later pages may be newer, and applying twice does no harm.
 */
export const NodeSnapshot = Type.Object({
  ...origin,
  tunnels: Type.Array(TunnelPresence),
  more: Type.Boolean({ description: 'ask again with `after`, the last tunnel ID of this page' }),
});
export type NodeSnapshot = Static<typeof NodeSnapshot>;

/** The set of one node; asked at `presence.snapshot.<node>`. */
export const nodeSnapshot = defineQuestion(
  'presence.snapshot',
  Type.Object({ after: Type.Optional(Type.String()) }),
  NodeSnapshot,
);

/**
 * Live figures of a node: with `gatewayId` the tunnels of one gateway, with `destinationIds` the fronts of those, else as
 * much as one answer takes. Asked at `edge.tunnels.list.<node>`.
 */
export const listTunnels = defineQuestion(
  'edge.tunnels.list',
  Type.Object({
    gatewayId: Type.Optional(Type.String()),
    destinationIds: Type.Optional(Type.Array(Type.String(), { maxItems: pageItemsMax })),
  }),
  Type.Object({
    node: Type.String(),
    tunnels: Type.Array(
      Type.Object({
        tunnelId: Type.String(),
        clientId: Type.String(),
        roundTripMs: Type.Union([Type.Number(), Type.Null()]),
        streams: Type.Integer(),
        listeners: Type.Optional(
          Type.Array(CloudListenerState, {
            description: 'the client’s; only where one gateway was asked for',
          }),
        ),
      }),
    ),
    fronts: Type.Array(
      Type.Object({
        destinationId: Type.String(),
        listening: Type.Boolean(),
        error: Type.Union([Type.String(), Type.Null()]),
        lastRefusal: Type.Optional(LastRefusal),
      }),
    ),
  }),
);

/** Asks a node to drain: it answers when it has begun. Asked at `edge.node.drain.<node>`. */
export const drainNode = defineQuestion(
  'edge.node.drain',
  Type.Object({}),
  Type.Object({ node: Type.String(), draining: Type.Boolean() }),
);

/**
 * Asks a node for what its owners have now: it answers when that is in force there, routes with their fronts and policies,
 * as far as the owners can be asked. `gatewayId` says whose clients are waited for, null that none are; a former admin does
 * not say it, and waits for all. The answer says whether they could be asked; a former node does not say it. Asked at
 * `edge.catch-up.<node>`.
 */
export const catchUpAtNode = defineQuestion(
  'edge.catch-up',
  Type.Object({ gatewayId: Type.Optional(Type.Union([Type.String(), Type.Null()])) }),
  Type.Object({ node: Type.String(), fetched: Type.Optional(Type.Boolean()) }),
  { deadlineMs: 1_000 },
);

/** Ends a client wherever it has tunnels; it exits with 0. */
export const endClient = defineNotice(
  'edge.client.end',
  Type.Object({ gatewayId: Type.String(), clientId: Type.String(), reason: Type.String() }),
);
