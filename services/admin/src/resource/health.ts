/**
 * Whether the parts behind the API answer: each is asked something cheap that it answers from what it owns, and has as long
 * as for any question, so that one whose database is away says that itself.
 */
import type { Bus } from '@postern/bus';
import { type FleetNode, ServiceError, ask, getCa, listNodes, listTicketKeys } from '@postern/contracts';
import type { Store } from '@postern/store';
import { Type, type Static } from 'typebox';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { answerOf } from '../http/shape.ts';

const Part = Type.Object({
  name: Type.String(),
  ok: Type.Boolean(),
  code: Type.Union([Type.String(), Type.Null()], { description: 'the error code when it is not' }),
});
const Nodes = Type.Object({
  ready: Type.Integer({ description: 'nodes that take tunnels and callers now' }),
  known: Type.Integer(),
});
const Health = answerOf('Health', {
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')]),
  version: Type.String(),
  nodes: Type.Union([Nodes, Type.Null()], {
    description: 'null where the router, which knows them, does not answer',
  }),
  parts: Type.Array(Part),
});

/** The call that tells the platform's health. */
export function healthEndpoints(bus: Bus, store: Store, version: string): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      path: '/health',
      operationId: 'getHealth',
      tag: 'Health',
      summary: 'Whether the services and documents answer, and how many nodes are ready',
      description: 'Always 200: whoever can ask is served. Programs read `status`.',
      status: 200,
      answer: Health,
      handle: async () => {
        const asked = ask(bus, listNodes, {});
        const [nodes, ...parts] = await Promise.all([
          asked.then(countNodes, () => null),
          check('documents', () => store.ping()),
          check('router', () => asked),
          check('acl', () => ask(bus, listTicketKeys, {})),
          check('certstore', () => ask(bus, getCa, {})),
        ]);
        const isWhole = parts.every((part) => part.ok) && nodes !== null && nodes.ready > 0;
        return { body: { status: isWhole ? 'ok' : 'degraded', version, nodes, parts } };
      },
    }),
  ];
}

function countNodes({ items }: { items: readonly FleetNode[] }): Static<typeof Nodes> {
  return { ready: items.filter((node) => node.ready && !node.draining).length, known: items.length };
}

async function check(name: string, work: () => Promise<unknown>): Promise<Static<typeof Part>> {
  try {
    await work();
    return { name, ok: true, code: null };
  } catch (error) {
    return { name, ok: false, code: ServiceError.from(error).code };
  }
}
