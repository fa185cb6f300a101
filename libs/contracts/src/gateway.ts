/**
 * Gateways and what admin asks the router about them. The router owns them; acl and certstore follow
 * `router.gateways` (feed.ts) to know which exist. Refusals: `ROUTER_GATEWAY_NOT_FOUND` (404), `ROUTER_INVALID`
 * (400), `ROUTER_REVISION_STALE` (412), `ROUTER_LIMIT` (409).
 */
import type { Bus } from '@postern/bus';
import { Type, type Static } from 'typebox';
import {
  Done,
  MergePatch,
  expectedRevision,
  lineOf,
  objectProperties,
  pageOf,
  pageRequestProperties,
} from './object.ts';
import { ask, defineQuestion } from './question.ts';
import { ServiceError } from './service-error.ts';

const GatewayId = Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9]+$' });
const name = Type.String({ minLength: 1, maxLength: 128 });
const description = Type.String({ maxLength: 1024, default: '' });
const enabled = Type.Boolean({
  default: true,
  description: 'false closes its tunnels and refuses new connections',
});
const requireToken = Type.Boolean({
  default: true,
  description: 'whether a client must show a security token',
});

/** What a gateway is made from; also the form that a merge patch is checked in. */
export const GatewayInput = Type.Object(
  {
    name: lineOf({ minLength: 1, maxLength: 128 }),
    description: Type.Optional(lineOf({ maxLength: 1024, default: '' })),
    enabled: Type.Optional(enabled),
    requireToken: Type.Optional(requireToken),
  },
  { additionalProperties: false },
);
export type GatewayInput = Static<typeof GatewayInput>;

/** A gateway as it is shown. */
export const Gateway = Type.Object({
  ...objectProperties,
  id: GatewayId,
  name,
  description,
  enabled,
  requireToken,
  connected: Type.Boolean({ description: 'whether a client is connected now' }),
  clients: Type.Integer({ minimum: 0, description: 'how many clients are connected now' }),
});
export type Gateway = Static<typeof Gateway>;

/** A gateway as other services follow it (feed `router.gateways`). */
export const GatewayRecord = Type.Object({
  id: GatewayId,
  name: Type.String(),
  enabled: Type.Boolean(),
  requireToken: Type.Boolean(),
});
export type GatewayRecord = Static<typeof GatewayRecord>;

/** Makes a gateway; its ID is 11 random characters without `-`. */
export const createGateway = defineQuestion('router.gateways.create', GatewayInput, Gateway);
/** One gateway. `deleted` of a refusal says whether there was one. */
export const getGateway = defineQuestion('router.gateways.get', Type.Object({ id: Type.String() }), Gateway);
/** A gateway as the router has it; of one that it does not find, whether it was deleted. */
export async function findGateway(bus: Bus, id: string): Promise<Gateway | 'deleted' | 'not found'> {
  try {
    return await ask(bus, getGateway, { id });
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'ROUTER_GATEWAY_NOT_FOUND') throw error;
    return error.body.deleted === true ? 'deleted' : 'not found';
  }
}
/** Gateways, or those among `ids` when it is given. */
export const listGateways = defineQuestion(
  'router.gateways.list',
  Type.Object({
    ...pageRequestProperties,
    ids: Type.Optional(Type.Array(Type.String(), { maxItems: 1000 })),
  }),
  pageOf(Gateway),
);
/** Applies a merge patch. */
export const updateGateway = defineQuestion(
  'router.gateways.update',
  Type.Object({ id: Type.String(), patch: MergePatch, revision: expectedRevision }),
  Gateway,
);
/** Deletes a gateway and its destinations at once, which may be many; acl then drops its policy, tokens and rules. */
export const deleteGateway = defineQuestion(
  'router.gateways.delete',
  Type.Object({ id: Type.String(), revision: expectedRevision }),
  Done,
  { deadlineMs: 15_000 },
);
/** Asks acl to take over, before it answers, what the router says of a gateway now, also that it was deleted. */
export const followGateway = defineQuestion('acl.gateways.follow', Type.Object({ id: Type.String() }), Done, {
  deadlineMs: 1_000,
});
