/** Gateways. The router owns them. */
import type { Bus } from '@postern/bus';
import {
  Gateway,
  GatewayInput,
  ask,
  createGateway,
  deleteGateway,
  followGateway,
  getGateway,
  listGateways,
  updateGateway,
} from '@postern/contracts';
import { askToChange } from '../change.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { expectedRevision } from '../http/entity-tag.ts';
import { PageQuery, pageAnswer, pageRequest } from '../http/page.ts';
import { patchSchema } from '../http/patch-schema.ts';
import { returnableBody, takeChange } from '../http/read-only.ts';
import { answerOf, bodyOf, param, withRevision } from '../http/shape.ts';

const GatewayAnswer = answerOf('Gateway', Gateway.properties);
const GatewayPatch = returnableBody(patchSchema(GatewayInput, 'GatewayPatch'), GatewayAnswer);
const tag = 'Gateways';

/** The calls on gateways. */
export function gatewayEndpoints(bus: Bus): Endpoint[] {
  const revisionOf = async (id: string): Promise<number> => (await ask(bus, getGateway, { id })).revision;
  // Whether clients are let in is acl's to say, and nodes fetch it there. Out of reach it takes the change over by itself.
  const untilFollowed = (id: string): Promise<unknown> => ask(bus, followGateway, { id }).catch(() => null);
  // A change may have closed its tunnels. What else is there is as this change has made it.
  const withPresence = async (gateway: Gateway): Promise<Gateway> => {
    const now = await ask(bus, getGateway, { id: gateway.id }).catch(() => gateway);
    return { ...gateway, connected: now.connected, clients: now.clients };
  };
  return [
    endpoint({
      method: 'GET',
      path: '/gateways',
      operationId: 'listGateways',
      tag,
      summary: 'All gateways that the key is for',
      query: PageQuery,
      status: 200,
      answer: pageAnswer(GatewayAnswer),
      handle: async ({ query, actor }) => {
        const own = actor.gateways === null ? {} : { ids: actor.gateways };
        return { body: await ask(bus, listGateways, { ...pageRequest(query), ...own }) };
      },
    }),
    endpoint({
      method: 'POST',
      path: '/gateways',
      operationId: 'createGateway',
      atNodes: true,
      tag,
      summary: 'Make a gateway',
      body: bodyOf('NewGateway', GatewayInput.properties),
      status: 201,
      answer: GatewayAnswer,
      handle: async ({ body }) => {
        const gateway = await ask(bus, createGateway, body);
        return { body: gateway, revision: gateway.revision, location: `/gateways/${gateway.id}` };
      },
    }),
    endpoint({
      method: 'GET',
      path: '/gateways/:gatewayId',
      operationId: 'getGateway',
      tag,
      summary: 'One gateway',
      status: 200,
      answer: GatewayAnswer,
      handle: async (call) => {
        const gateway = await ask(bus, getGateway, { id: param(call, 'gatewayId') });
        return { body: gateway, revision: gateway.revision };
      },
    }),
    endpoint({
      method: 'PATCH',
      path: '/gateways/:gatewayId',
      operationId: 'updateGateway',
      atNodes: true,
      tag,
      summary: 'Change a gateway',
      description: '`enabled: false` closes its tunnels and refuses new connections at once.',
      body: GatewayPatch.schema,
      conditional: true,
      status: 200,
      answer: GatewayAnswer,
      handle: async (call) => {
        const id = param(call, 'gatewayId');
        const current = () => ask(bus, getGateway, { id });
        const { body, revision } = await takeChange(call, GatewayPatch.fields, current);
        const gateway = await askToChange(bus, updateGateway, { id, patch: body }, { revision, current });
        await untilFollowed(id);
        return { revision: gateway.revision, whenInForce: () => withPresence(gateway) };
      },
    }),
    endpoint({
      method: 'DELETE',
      path: '/gateways/:gatewayId',
      operationId: 'deleteGateway',
      atNodes: true,
      tag,
      summary: 'Delete a gateway with its tokens, destinations and access list',
      conditional: true,
      status: 204,
      handle: async (call) => {
        const id = param(call, 'gatewayId');
        const revision = await expectedRevision(call.ifMatch, () => revisionOf(id));
        await ask(bus, deleteGateway, { id, ...withRevision(revision) });
        await untilFollowed(id);
        return {};
      },
    }),
  ];
}
