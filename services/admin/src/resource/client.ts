/** Connected clients with their tunnels. The router knows them; ending one is announced to all nodes. */
import type { Bus } from '@postern/bus';
import { ConnectedClient, announce, ask, endClient, listClients, pingClient } from '@postern/contracts';
import { Type } from 'typebox';
import { adminError } from '../errors.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { PageQuery, pageAnswer, pageRequest } from '../http/page.ts';
import { answerOf, param } from '../http/shape.ts';

const ClientAnswer = answerOf('Client', ConnectedClient.properties);
const PingAnswer = Type.Object(
  {
    tunnels: Type.Array(
      Type.Object({
        id: Type.String(),
        node: Type.String(),
        ms: Type.Union([Type.Number(), Type.Null()], {
          description: 'null where there was no answer in time',
        }),
      }),
    ),
  },
  { title: 'ClientPing' },
);
const tag = 'Clients';
const path = '/gateways/:gatewayId/clients';

/** The calls on clients. */
export function clientEndpoints(bus: Bus): Endpoint[] {
  const read = async (gatewayId: string, clientId: string): Promise<ConnectedClient> => {
    const { items } = await ask(bus, listClients, { gatewayId, clientId });
    const [client] = items;
    if (client !== undefined) return client;
    throw adminError('ADMIN_CLIENT_UNKNOWN', `no client ${clientId} is connected to this gateway`);
  };
  return [
    endpoint({
      method: 'GET',
      path,
      operationId: 'listClients',
      tag,
      summary: 'The clients of a gateway that are connected now',
      description: '`roundTripMs` and `streams` are null where the node did not answer in time.',
      query: PageQuery,
      status: 200,
      answer: pageAnswer(ClientAnswer),
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        return { body: await ask(bus, listClients, { gatewayId, ...pageRequest(call.query) }) };
      },
    }),
    endpoint({
      method: 'GET',
      path: `${path}/:clientId`,
      operationId: 'getClient',
      tag,
      summary: 'One connected client',
      status: 200,
      answer: ClientAnswer,
      handle: async (call) => ({ body: await read(param(call, 'gatewayId'), param(call, 'clientId')) }),
    }),
    endpoint({
      method: 'POST',
      path: `${path}/:clientId/ping`,
      operationId: 'pingClient',
      tag,
      summary: 'Measure the way to a client',
      description:
        'A question goes to the client over each of its tunnels, and is timed until its answer is back.',
      status: 200,
      answer: PingAnswer,
      handle: async (call) => ({
        body: await ask(bus, pingClient, {
          gatewayId: param(call, 'gatewayId'),
          clientId: param(call, 'clientId'),
        }),
      }),
    }),
    endpoint({
      method: 'DELETE',
      path: `${path}/:clientId`,
      operationId: 'endClient',
      // Nodes hear of it before they are asked whether they have what is new.
      atNodes: true,
      tag,
      summary: 'End a client',
      description:
        'Its tunnels close, and the program on premises ends; a node that is cut off from the bus does not hear of it. Its tokens stay valid.',
      status: 204,
      handle: async (call) => {
        const { gatewayId, id } = await read(param(call, 'gatewayId'), param(call, 'clientId'));
        announce(bus, endClient, {
          gatewayId,
          clientId: id,
          reason: `ended by an operator (${call.actor.name})`,
        });
        return {};
      },
    }),
  ];
}
