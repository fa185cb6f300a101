/**
 * What two nodes say to each other over their link (docs/PROTOCOL.md, "Links between nodes"): the bodies of HELLO and
 * WELCOME, and of CONTROL. By the latter presence outlives the bus: a node tells each neighbour what it announces there.
 */
import { Type, type Static } from 'typebox';
import { NodeHello } from './connect.ts';
import { NodeBeat, NodeSnapshot, TunnelNotice } from './presence.ts';

/** HELLO of either end. Who it is, its certificate has proved. */
export const LinkHello = NodeHello;
export type LinkHello = Static<typeof LinkHello>;

/** The accepting node's WELCOME: the link is up. */
export const LinkWelcome = Type.Object({ protocol: Type.Integer({ minimum: 1, maximum: 255 }) });
export type LinkWelcome = Static<typeof LinkWelcome>;

/** The number of a question over a link; its answer carries the same. */
const Ask = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });

/** Bodies of CONTROL on a link. A receiver passes over a kind that it does not know. */
export const LinkControl = Type.Union([
  Type.Object({ kind: Type.Literal('presenceTunnel'), notice: TunnelNotice }),
  Type.Object({ kind: Type.Literal('presenceBeat'), beat: NodeBeat }),
  Type.Object({
    kind: Type.Literal('presenceAsk'),
    ask: Ask,
    after: Type.Optional(Type.String({ maxLength: 255 })),
  }),
  Type.Object({ kind: Type.Literal('presencePage'), ask: Ask, page: NodeSnapshot }),
  // To the node that relays: the client is to open a tunnel to the one that says this.
  Type.Object({
    kind: Type.Literal('tunnelWanted'),
    gateway: Type.String({ minLength: 1, maxLength: 255 }),
    client: Type.Object({
      id: Type.String({ minLength: 1, maxLength: 255 }),
      bootId: Type.String({ minLength: 1, maxLength: 255 }),
    }),
  }),
]);
export type LinkControl = Static<typeof LinkControl>;
