/**
 * Destinations. The router owns them; what the access list says of each is asked of acl and shown with it, because
 * an operator who looks at a destination wants to know whether anybody can reach it; so is what certstore says of the
 * certificates that it names.
 */
import type { Bus } from '@postern/bus';
import {
  AccessDecision,
  ClientHealth,
  ClientTest,
  CloudListenerState,
  NodeTest,
  Destination,
  DestinationInput,
  Front,
  ServiceError,
  ask,
  createDestination,
  deleteDestination,
  explainAccess,
  getDestination,
  listClients,
  listDestinationHealth,
  listDestinations,
  listFronts,
  testDestination,
  updateDestination,
} from '@postern/contracts';
import { Type, type Static } from 'typebox';
import { askToChange } from '../change.ts';
import { withPassword } from '../proxy-password.ts';
import { certificateWarnings } from './certificate-warning.ts';
import { closedWarning, frontWarnings } from './front-warning.ts';
import { endpoint, type Answer, type Endpoint } from '../http/endpoint.ts';
import { expectedRevision } from '../http/entity-tag.ts';
import { PageQuery, pageAnswer, pageRequest } from '../http/page.ts';
import { patchSchema } from '../http/patch-schema.ts';
import { returnableBody, takeChange } from '../http/read-only.ts';
import { keyReach } from '../http/permission.ts';
import { answerOf, bodyOf, param, withRevision } from '../http/shape.ts';

const HealthStatus = Type.Union([Type.Literal('ok'), Type.Literal('failing'), Type.Literal('unknown')], {
  description:
    'ok when a client’s check passes, failing when all that were made fail, unknown while there is none',
});
const { destinationId: _destinationId, ...listenerProperties } = CloudListenerState.properties;
const Listener = Type.Object({ clientId: Type.String(), ...listenerProperties });
const DestinationAnswer = answerOf('Destination', {
  ...Destination.properties,
  health: Type.Object({
    ...Destination.properties.health.properties,
    status: HealthStatus,
    state: Type.Record(Type.String(), ClientHealth, {
      description:
        'by the ID of each connected client, or of a cloud destination by the name of each node: what its check found',
    }),
  }),
  accessList: AccessDecision,
  listening: Type.Optional(
    Type.Array(Front.properties.listening.items, {
      description:
        'of an on-premises destination: whether each node listens for its callers, and whom it last turned away',
    }),
  ),
  listeners: Type.Optional(
    Type.Array(Listener, {
      description:
        'of a cloud destination: which clients listen for its callers, and whom they last turned away',
    }),
  ),
});
const TestAnswer = Type.Object(
  {
    ok: Type.Boolean({ description: 'every step of every client was' }),
    clients: Type.Array(ClientTest),
    nodes: Type.Array(NodeTest, { description: 'of a cloud destination, whose resource nodes dial' }),
  },
  { title: 'DestinationTest' },
);
const TestQuery = Type.Object(
  {
    client: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'by this client only; by all unless given' }),
    ),
  },
  { additionalProperties: false },
);
type DestinationAnswer = Static<typeof DestinationAnswer>;

const DestinationPatch = returnableBody(patchSchema(DestinationInput, 'DestinationPatch'), DestinationAnswer);

/** Clients of a gateway whose listeners are shown. */
const clientsMax = 100;
const tag = 'Destinations';
const namingNote =
  'A key that is for certain gateways may name a certificate only as a destination of theirs names it already ' +
  '(in the same role, for the same end); else it is refused with 403, and a key for all gateways must name it first.';
const path = '/gateways/:gatewayId/destinations';

/** The calls on destinations. */
export function destinationEndpoints(bus: Bus): Endpoint[] {
  const show = async (destination: Destination): Promise<DestinationAnswer | undefined> =>
    (await withState(bus, destination.gatewayId, [destination]))[0];
  const changed = (destination: Destination): Answer => ({
    revision: destination.revision,
    whenInForce: () => show(destination),
  });
  const revisionOf = async (one: { gatewayId: string; id: string }): Promise<number> =>
    (await ask(bus, getDestination, one)).revision;
  return [
    endpoint({
      method: 'GET',
      path,
      operationId: 'listDestinations',
      tag,
      summary: 'The destinations of a gateway',
      query: PageQuery,
      status: 200,
      answer: pageAnswer(DestinationAnswer),
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        const page = await ask(bus, listDestinations, { gatewayId, ...pageRequest(call.query) });
        return { body: { ...page, items: await withState(bus, gatewayId, page.items) } };
      },
    }),
    endpoint({
      method: 'POST',
      path,
      operationId: 'createDestination',
      atNodes: true,
      tag,
      summary: 'Make a destination and take its front',
      description: namingNote,
      body: bodyOf('NewDestination', DestinationInput.properties),
      status: 201,
      answer: DestinationAnswer,
      handle: async (call) => {
        const gatewayId = param(call, 'gatewayId');
        const destination = await withPassword(
          bus,
          { body: call.body, gatewayId, former: async () => null },
          (input) => ask(bus, createDestination, { gatewayId, input, ...keyReach(call.actor) }),
        );
        const location = `/gateways/${gatewayId}/destinations/${destination.id}`;
        return { ...changed(destination), location };
      },
    }),
    endpoint({
      method: 'GET',
      path: `${path}/:destinationId`,
      operationId: 'getDestination',
      tag,
      summary: 'One destination',
      status: 200,
      answer: DestinationAnswer,
      handle: async (call) => {
        const destination = await ask(bus, getDestination, oneOf(call));
        return { body: await show(destination), revision: destination.revision };
      },
    }),
    endpoint({
      method: 'PATCH',
      path: `${path}/:destinationId`,
      operationId: 'updateDestination',
      atNodes: true,
      tag,
      summary: 'Change a destination',
      description:
        '`enabled: false` refuses new connections and keeps the front. The front stays unless another is asked for. ' +
        'What was read may be edited and sent back whole. ' +
        namingNote,
      body: DestinationPatch.schema,
      conditional: true,
      status: 200,
      answer: DestinationAnswer,
      handle: async (call) => {
        const one = oneOf(call);
        const current = () => ask(bus, getDestination, one);
        const { body, revision } = await takeChange(call, DestinationPatch.fields, current);
        const former = async () => (await current()).resource;
        return changed(
          await withPassword(bus, { body, gatewayId: one.gatewayId, former }, (patch) =>
            askToChange(
              bus,
              updateDestination,
              { ...one, patch, ...keyReach(call.actor) },
              { revision, current },
            ),
          ),
        );
      },
    }),
    endpoint({
      method: 'POST',
      path: `${path}/:destinationId/test`,
      operationId: 'testDestination',
      tag,
      summary: 'Have the clients dial the resource now; of a cloud destination, the nodes',
      description:
        'Each step is told with its time and, where it failed, the cause: access list, proxy, resolve, connect, TLS, HTTP; of UDP, send.',
      query: TestQuery,
      status: 200,
      answer: TestAnswer,
      handle: async (call) => {
        const { client } = call.query;
        const which = client === undefined ? {} : { clientId: client };
        return { body: await ask(bus, testDestination, { ...oneOf(call), ...which }) };
      },
    }),
    endpoint({
      method: 'DELETE',
      path: `${path}/:destinationId`,
      operationId: 'deleteDestination',
      atNodes: true,
      tag,
      summary: 'Delete a destination',
      description: 'Its streams are reset at once, and its port rests.',
      conditional: true,
      status: 204,
      handle: async (call) => {
        const one = oneOf(call);
        const revision = await expectedRevision(call.ifMatch, () => revisionOf(one));
        await ask(bus, deleteDestination, { ...one, ...withRevision(revision) });
        return {};
      },
    }),
  ];
}

function oneOf(call: { params: Readonly<Record<string, string>> }): { gatewayId: string; id: string } {
  return { gatewayId: param(call, 'gatewayId'), id: param(call, 'destinationId') };
}

async function withState(
  bus: Bus,
  gatewayId: string,
  destinations: readonly Destination[],
): Promise<DestinationAnswer[]> {
  const [{ decisions, closed = [] }, states, warnings, listening, listeners] = await Promise.all([
    ifKnown(decide(bus, gatewayId, destinations), { decisions: [] }),
    ifKnown(readHealth(bus, gatewayId, destinations), new Map()),
    ifKnown(certificateWarnings(bus, destinations), []),
    ifKnown(readListening(bus, destinations), new Map()),
    ifKnown(readListeners(bus, gatewayId, destinations), new Map()),
  ]);
  return destinations.map((destination, index) => {
    const state = states.get(destination.id) ?? {};
    return {
      ...destination,
      warnings: [
        ...destination.warnings,
        ...(warnings[index] ?? []),
        ...(closed.includes(destination.id) ? [closedWarning] : []),
        ...frontWarnings(listening.get(destination.id) ?? []),
      ],
      health: { ...destination.health, status: statusOf(Object.values(state)), state },
      accessList: decisions[index] ?? unknownDecision,
      ...(destination.kind === 'cloud'
        ? { listeners: listeners.get(destination.id) ?? [] }
        : { listening: listening.get(destination.id) ?? [] }),
    };
  });
}

/**
 * A destination is shown also when who knows its state cannot say. A change of it is stored by then: to answer an error would
 * say that it was not made.
 */
async function ifKnown<T>(state: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await state;
  } catch (error) {
    if (ServiceError.from(error).code === 'INTERNAL') throw error;
    return otherwise;
  }
}

/** Whether the nodes listen for callers, of the on-premises destinations; as far as the nodes answer now. */
async function readListening(
  bus: Bus,
  destinations: readonly Destination[],
): Promise<Map<string, Front['listening']>> {
  const destinationIds = destinations.filter(({ kind }) => kind === 'on-premises').map(({ id }) => id);
  if (destinationIds.length === 0) return new Map();
  const { items } = await ask(bus, listFronts, { destinationIds, live: true });
  return new Map(items.map(({ destinationId, listening }) => [destinationId, listening]));
}

/** What the clients say of their listeners, of the cloud destinations; as far as the nodes answer now. */
async function readListeners(
  bus: Bus,
  gatewayId: string,
  destinations: readonly Destination[],
): Promise<Map<string, Static<typeof Listener>[]>> {
  if (!destinations.some(({ kind }) => kind === 'cloud')) return new Map();
  const { items } = await ask(bus, listClients, { gatewayId, limit: clientsMax });
  const all = items.flatMap(({ id: clientId, listeners }) =>
    listeners.map(({ destinationId, ...state }) => ({ destinationId, listener: { clientId, ...state } })),
  );
  const grouped = Map.groupBy(all, ({ destinationId }) => destinationId);
  return new Map([...grouped].map(([id, found]) => [id, found.map(({ listener }) => listener)]));
}

/** What the clients found, of the destinations that have a check. */
async function readHealth(
  bus: Bus,
  gatewayId: string,
  destinations: readonly Destination[],
): Promise<Map<string, Record<string, ClientHealth>>> {
  const destinationIds = destinations.filter(({ health }) => health.kind !== 'none').map(({ id }) => id);
  if (destinationIds.length === 0) return new Map();
  const { items } = await ask(bus, listDestinationHealth, { gatewayId, destinationIds });
  return new Map(items.map(({ destinationId, state }) => [destinationId, state]));
}

function statusOf(states: readonly ClientHealth[]): 'ok' | 'failing' | 'unknown' {
  if (states.some(({ state }) => state === 'ok')) return 'ok';
  return states.some(({ state }) => state === 'failing') ? 'failing' : 'unknown';
}

const unknownDecision: AccessDecision = {
  allowed: false,
  rule: null,
  reason: 'not known now: acl does not answer',
};

/** Of HTTP each request is judged by its path; what is shown is whether any may pass. */
async function decide(
  bus: Bus,
  gatewayId: string,
  destinations: readonly Destination[],
): Promise<{ decisions: AccessDecision[]; closed?: string[] }> {
  const targets = destinations.map(({ resource: { host, port, protocol } }) => ({
    host,
    port,
    somePath: protocol === 'http',
  }));
  if (targets.length === 0) return { decisions: [] };
  return ask(bus, explainAccess, { gatewayId, targets });
}
