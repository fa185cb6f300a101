/**
 * What a client finds out about resources on the platform's behalf: whether a destination's resource is well (checks
 * that the client runs by itself), and what happens when it is dialled now.
 *
 *   admin ──test──► router ──► a node with a tunnel of that client ──CONTROL──► client
 *   client ──CONTROL health──► its nodes ──health.changed──► nodes, events;   router ──health.list──► nodes, when it shows one
 */
import { Type, type Static } from 'typebox';
import { DialTarget } from './dial-target.ts';
import { defineNotice, defineQuestion } from './question.ts';

const id = Type.String({ minLength: 1, maxLength: 64 });
const cause = Type.String({ maxLength: 1024 });

/** The longest that a test may wait for a resource, whatever the destination's own time-out is. */
export const testConnectSecondsMax = 15;
/** What a node gives a client beyond that to answer. */
export const testGraceMs = 5_000;
/** The most checks that one client runs for one gateway. */
export const healthChecksMax = 1_000;
/** The most findings in one frame. */
export const healthFindingsMax = 32;

/** One step of a dial, as `test` tells it. */
export const TestStep = Type.Object({
  name: Type.String({
    maxLength: 32,
    description: 'access list, proxy, resolve, connect, TLS, HTTP or send',
  }),
  ok: Type.Boolean(),
  ms: Type.Number({ minimum: 0 }),
  text: Type.String({ maxLength: 2048, description: 'what was found, or the cause' }),
});
export type TestStep = Static<typeof TestStep>;

/** What is asked over HTTP once the connection stands. */
export const HttpAsk = Type.Object({
  host: Type.String({ minLength: 1, maxLength: 255 }),
  path: Type.String({ minLength: 1, maxLength: 1024, pattern: '^/' }),
});
export type HttpAsk = Static<typeof HttpAsk>;

const steps = Type.Array(TestStep, { maxItems: 16 });

/** What one client met. */
export const ClientTest = Type.Object({
  clientId: Type.String(),
  name: Type.String({ description: 'what the operator calls the client' }),
  node: Type.String({ description: 'the node that asked it' }),
  ok: Type.Boolean({ description: 'every step was' }),
  ms: Type.Number(),
  steps,
  error: Type.Union([Type.String(), Type.Null()], { description: 'why the client gave no answer' }),
});
export type ClientTest = Static<typeof ClientTest>;

/** What one node met that dialled a cloud resource. */
export const NodeTest = Type.Object({
  node: Type.String(),
  ok: Type.Boolean({ description: 'every step was' }),
  ms: Type.Number(),
  steps,
  error: Type.Union([Type.String(), Type.Null()], { description: 'why the node gave no answer' }),
});
export type NodeTest = Static<typeof NodeTest>;

/**
 * Has every connected client of the gateway dial the resource now, or the one that is named; the resource of a cloud
 * destination every node. `ROUTER_CLIENT_UNKNOWN` (404), `ROUTER_NO_CLIENT` (409).
 */
export const testDestination = defineQuestion(
  'router.destinations.test',
  Type.Object({ gatewayId: id, id, clientId: Type.Optional(id) }),
  Type.Object({ ok: Type.Boolean(), clients: Type.Array(ClientTest), nodes: Type.Array(NodeTest) }),
  { deadlineMs: testConnectSecondsMax * 1000 + testGraceMs + 4_000 },
);

/** The same of one client, asked at `edge.clients.test.<node>`; `EDGE_CLIENT_UNKNOWN` (404), `EDGE_CLIENT_SILENT` (504). */
export const testAtClient = defineQuestion(
  'edge.clients.test',
  Type.Object({
    gatewayId: id,
    clientId: id,
    destinationId: id,
    target: DialTarget,
    http: Type.Union([HttpAsk, Type.Null()]),
  }),
  Type.Object({ steps }),
  { deadlineMs: testConnectSecondsMax * 1000 + testGraceMs + 2_000 },
);

/** Has a node dial a cloud resource, asked at `edge.destinations.test.<node>`; `EDGE_DESTINATION_DELETED` (404), `EDGE_QUESTIONS_FULL` (429). */
export const testAtNode = defineQuestion(
  'edge.destinations.test',
  Type.Object({ gatewayId: id, destinationId: id }),
  Type.Object({ steps }),
  { deadlineMs: testConnectSecondsMax * 1000 + testGraceMs + 2_000 },
);

/** How long an answer takes over each of a client's tunnels. */
export const pingClient = defineQuestion(
  'router.clients.ping',
  Type.Object({ gatewayId: id, clientId: id }),
  Type.Object({
    tunnels: Type.Array(
      Type.Object({
        id: Type.String(),
        node: Type.String(),
        ms: Type.Union([Type.Number(), Type.Null()], { description: 'null where there was no answer' }),
      }),
    ),
  }),
  { deadlineMs: 8_000 },
);

/** The same of one node's tunnels, asked at `edge.clients.ping.<node>`. */
export const pingAtNode = defineQuestion(
  'edge.clients.ping',
  Type.Object({ gatewayId: id, clientId: id }),
  Type.Object({
    tunnels: Type.Array(Type.Object({ id: Type.String(), ms: Type.Union([Type.Number(), Type.Null()]) })),
  }),
  { deadlineMs: 6_000 },
);

/** A check that a client runs. */
export const HealthCheck = Type.Object({
  kind: Type.Union([Type.Literal('tcp'), Type.Literal('tls'), Type.Literal('http'), Type.Literal('udp')]),
  target: DialTarget,
  http: Type.Union([HttpAsk, Type.Null()]),
  intervalSeconds: Type.Integer({ minimum: 1, maximum: 3600 }),
});
export type HealthCheck = Static<typeof HealthCheck>;

/** What a client's check of one destination found, and since when. */
export const HealthFinding = Type.Object({
  destinationId: id,
  ok: Type.Boolean(),
  since: Type.String({ maxLength: 32, description: 'when that was first found' }),
  cause: Type.Union([cause, Type.Null()], { description: 'why not, in plain words' }),
});
export type HealthFinding = Static<typeof HealthFinding>;

/** Findings of one client, told when they change and once a minute, by each node that hears them. May be lost. */
export const healthChanged = defineNotice(
  'health.changed',
  Type.Object({
    node: Type.String(),
    gatewayId: id,
    clientId: id,
    items: Type.Array(HealthFinding, { maxItems: healthFindingsMax }),
  }),
);

/** What the clients with tunnels at a node found, asked at `edge.health.list.<node>`. */
export const listHealth = defineQuestion(
  'edge.health.list',
  Type.Object({ gatewayId: id, destinationIds: Type.Array(id, { maxItems: 200 }) }),
  Type.Object({
    items: Type.Array(
      Type.Object({
        clientId: Type.String({ description: 'of a cloud destination the node itself, by its name' }),
        ...HealthFinding.properties,
      }),
    ),
  }),
);

/** How a destination's resource is, as one client sees it. */
export const ClientHealth = Type.Object({
  state: Type.Union([Type.Literal('ok'), Type.Literal('failing'), Type.Literal('unknown')]),
  since: Type.Union([Type.String(), Type.Null()]),
  cause: Type.Union([Type.String(), Type.Null()]),
});
export type ClientHealth = Static<typeof ClientHealth>;

/** How the resources of some destinations are, as each connected client sees them. */
export const listDestinationHealth = defineQuestion(
  'router.destinations.health',
  Type.Object({ gatewayId: id, destinationIds: Type.Array(id, { maxItems: 200 }) }),
  Type.Object({
    items: Type.Array(
      Type.Object({ destinationId: Type.String(), state: Type.Record(Type.String(), ClientHealth) }),
    ),
  }),
);
