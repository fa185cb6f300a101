/**
 * A feed: how an owner's objects reach every cache that follows them (docs/ARCHITECTURE.md, "Feeds").
 * The owner raises one revision with each change and keeps a log of which IDs changed; a follower asks for
 * what changed since its own revision and gets either that or, when the log no longer reaches back, everything.
 * Each replica of the owner beats the stored revision every second, and at once after a change.
 */
import { Type, type TSchema } from 'typebox';
import { CertificateRecord } from './certificate.ts';
import { GatewayRecord } from './gateway.ts';
import { defineNotice, defineQuestion } from './question.ts';
import { Policy } from './session.ts';
import { Route } from './route.ts';

/** Declares the two subjects of a feed: `<name>.since` is asked, `<name>.beat` is announced. */
function defineFeed<Item extends TSchema>(name: string, item: Item) {
  return {
    name,
    since: defineQuestion(
      `${name}.since`,
      Type.Object({
        epoch: Type.String({
          description: 'epoch of the revision that the follower has; empty when it has none',
        }),
        revision: Type.Integer({ minimum: 0 }),
        after: Type.Optional(Type.String({ description: 'continues a page: the last ID of the one before' })),
      }),
      Type.Object({
        epoch: Type.String({ description: 'changes when the owner starts from an empty or restored store' }),
        revision: Type.Integer({ minimum: 0 }),
        whole: Type.Boolean({ description: 'these are all there are; what is not among them is gone' }),
        items: Type.Array(item),
        deleted: Type.Array(Type.String()),
        more: Type.Boolean({ description: 'ask again with `after`' }),
      }),
    ),
    beat: defineNotice(
      `${name}.beat`,
      Type.Object({
        epoch: Type.String(),
        revision: Type.Integer({ minimum: 0 }),
        clockMs: Type.Optional(
          Type.Number({
            description:
              'of a replica whose clock is not the database’s: by how many ms it is ahead, negative where it is behind. It stands aside where another is right',
          }),
        ),
      }),
    ),
  };
}

/** Destinations as nodes need them; the router owns them. */
export const routeFeed = defineFeed('router.routes', Route);
/** Gateways as other services need them; the router owns them. */
export const gatewayFeed = defineFeed('router.gateways', GatewayRecord);
/** Policies as nodes need them; acl owns them. */
export const policyFeed = defineFeed('acl.policies', Policy);
/** Certificates as nodes need them, without contents; certstore owns them. */
export const certificateFeed = defineFeed('certstore.certificates', CertificateRecord);
/** Any of them. */
export type Feed<Item extends TSchema = TSchema> = ReturnType<typeof defineFeed<Item>>;
