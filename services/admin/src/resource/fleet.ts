/** What the platform serves: fronts and nodes, as the router sees them. */
import type { Bus } from '@postern/bus';
import { FleetNode, Front, ask, drainNode, listFronts, listNodes, pageItemsMax } from '@postern/contracts';
import { Type } from 'typebox';
import { adminError } from '../errors.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { pageAnswer, pageOfAll, pageQuery, pageRequest } from '../http/page.ts';
import { answerOf, param } from '../http/shape.ts';

const FrontAnswer = answerOf('Front', { id: Type.String(), ...Front.properties });
const NodeAnswer = answerOf('Node', { id: Type.String(), ...FleetNode.properties });
/** Without `limit` it is all of them: a balancer that saw only the first page would leave nodes out. */
const NodeQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: pageItemsMax, description: 'most items of this page' }),
    ),
    cursor: pageQuery.cursor,
  },
  { additionalProperties: false },
);

/** The calls on fronts and nodes. */
export function fleetEndpoints(bus: Bus): Endpoint[] {
  const nodes = async (): Promise<(FleetNode & { id: string })[]> => {
    const { items } = await ask(bus, listNodes, {});
    return items.map((node) => ({ id: node.name, ...node }));
  };
  const read = async (name: string): Promise<FleetNode & { id: string }> => {
    const node = (await nodes()).find((one) => one.name === name);
    if (node === undefined) throw adminError('ADMIN_NODE_UNKNOWN', `there is no node ${name}`);
    return node;
  };
  return [
    endpoint({
      method: 'GET',
      path: '/fronts',
      operationId: 'listFronts',
      tag: 'Fronts',
      summary: 'Every front-side host and port, and which nodes listen there',
      query: Type.Object(
        {
          ...pageQuery,
          live: Type.Boolean({ default: true, description: 'ask the nodes whether they listen' }),
        },
        { additionalProperties: false },
      ),
      status: 200,
      answer: pageAnswer(FrontAnswer),
      handle: async ({ query, actor }) => {
        const own = actor.gateways === null ? {} : { gatewayIds: actor.gateways };
        const page = await ask(bus, listFronts, { ...pageRequest(query), live: query.live, ...own });
        return {
          body: { ...page, items: page.items.map((front) => ({ id: front.destinationId, ...front })) },
        };
      },
    }),
    endpoint({
      method: 'GET',
      path: '/nodes',
      operationId: 'listNodes',
      tag: 'Nodes',
      summary: 'All nodes that are not forgotten',
      description: 'In the order of their names; all of them unless `limit` is given.',
      query: NodeQuery,
      status: 200,
      answer: pageAnswer(NodeAnswer),
      handle: async ({ query }) => ({ body: pageOfAll(await nodes(), query) }),
    }),
    endpoint({
      method: 'GET',
      path: '/nodes/:nodeName',
      operationId: 'getNode',
      tag: 'Nodes',
      summary: 'One node',
      status: 200,
      answer: NodeAnswer,
      handle: async (call) => ({ body: await read(param(call, 'nodeName')) }),
    }),
    endpoint({
      method: 'POST',
      path: '/nodes/:nodeName/drain',
      operationId: 'drainNode',
      tag: 'Nodes',
      summary: 'Empty a node',
      description:
        'It takes no more clients, its clients open tunnels elsewhere, its callers finish within their grace. It stays so until it is started again; `tunnels` and `callers` of the node tell how far it is.',
      status: 200,
      answer: NodeAnswer,
      handle: async (call) => {
        const node = await read(param(call, 'nodeName'));
        const { draining } = await ask(bus, drainNode, {}, { suffix: node.name });
        return { body: { ...node, draining } };
      },
    }),
  ];
}
