/** Whether the parts behind the API answer: each is asked something cheap that it answers from what it owns. */
import type { Bus } from '@postern/bus';
import { ServiceError, ask, getCa, listNodes, listTicketKeys } from '@postern/contracts';
import type { Store } from '@postern/store';
import { Type, type Static } from 'typebox';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { answerOf } from '../http/shape.ts';

const Part = Type.Object({
  name: Type.String(),
  ok: Type.Boolean(),
  code: Type.Union([Type.String(), Type.Null()], { description: 'the error code when it is not' }),
});
const Health = answerOf('Health', {
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')]),
  version: Type.String(),
  nodes: Type.Object({
    ready: Type.Integer({ description: 'nodes that take tunnels and callers now' }),
    known: Type.Integer(),
  }),
  parts: Type.Array(Part),
});

const deadlineMs = 1_000;

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
        const nodes = { ready: 0, known: 0 };
        const parts = await Promise.all([
          check('documents', () => store.ping()),
          check('router', async () => {
            const { items } = await ask(bus, listNodes, {}, { deadlineMs });
            nodes.known = items.length;
            nodes.ready = items.filter((node) => node.heard && node.ready && !node.draining).length;
          }),
          check('acl', () => ask(bus, listTicketKeys, {}, { deadlineMs })),
          check('certstore', () => ask(bus, getCa, {}, { deadlineMs })),
        ]);
        const status = parts.every((part) => part.ok) && nodes.ready > 0 ? 'ok' : 'degraded';
        return { body: { status, version, nodes, parts } };
      },
    }),
  ];
}

async function check(name: string, work: () => Promise<unknown>): Promise<Static<typeof Part>> {
  try {
    await work();
    return { name, ok: true, code: null };
  } catch (error) {
    return { name, ok: false, code: ServiceError.from(error).code };
  }
}
