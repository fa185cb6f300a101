/** What the node answers and hears on the bus: its live figures, that it is to catch up, or to drain, the end of a client. */
import { type Subscription, messageBytesMax } from '@postern/bus';
import {
  type Answerer,
  answer,
  catchUpAtNode,
  drainNode,
  endClient,
  listHealth,
  listTunnels,
  listen,
  pingAtNode,
  testAtClient,
  testAtNode,
  toldTextMax,
} from '@postern/contracts';
import { takePage } from '@postern/replica';
import { subsystemLogger } from '@postern/telemetry';
import type { NodeParts } from './node-parts.ts';
import type { Tunnel } from './client/tunnels.ts';

/** Most tunnels and most fronts in one answer: a message on the bus has its bound, and whoever lists says which. */
const listedMax = 3_000;

/** As much for the tunnels of one gateway. */
const figuresBytesMax = messageBytesMax / 2;

type Figures = ReturnType<(typeof listTunnels)['checkAnswer']>;

/** Serves the node's subjects until they are closed. */
export function openBusDesk(parts: NodeParts): Subscription[] {
  const { cloud, guard, clientDesk, health } = parts;
  const { bus, options } = parts.given;
  const node = options.name;
  const logger = subsystemLogger(parts.given.logger, 'bus');
  const onError = (error: unknown) => logger.warn({ error }, 'a message on the bus could not be used');
  const serve: Answerer = (question, handler) => answer(bus, question, handler, { suffix: node, onError });
  return [
    serve(listTunnels, ({ gatewayId, destinationIds }) => ({
      node,
      tunnels: destinationIds === undefined ? tunnelFigures(parts, gatewayId) : [],
      fronts: gatewayId === undefined ? frontFigures(parts, destinationIds) : [],
    })),
    serve(testAtClient, async ({ gatewayId, clientId, target, http }) => ({
      steps: await clientDesk.test({ gatewayId, clientId }, { target, http }),
    })),
    serve(testAtNode, async ({ gatewayId, destinationId }) => ({
      steps: await cloud.health.test(gatewayId, destinationId),
    })),
    serve(pingAtNode, async (who) => ({ tunnels: await clientDesk.ping(who) })),
    serve(listHealth, ({ gatewayId, destinationIds }) => ({
      items: [
        ...health.list(gatewayId, destinationIds),
        ...cloud.health.list(gatewayId, destinationIds).map((found) => ({ clientId: node, ...found })),
      ],
    })),
    serve(catchUpAtNode, async ({ gatewayId }) => ({ node, fetched: await parts.catchUp(gatewayId) })),
    serve(drainNode, () => {
      logger.info('an operator asked this node to drain');
      void parts.drain.run();
      return { node, draining: true };
    }),
    listen(
      bus,
      endClient,
      ({ gatewayId, clientId, reason }) => guard.endClient(gatewayId, clientId, reason),
      onError,
    ),
  ];
}

function tunnelFigures({ tunnels, cloud }: NodeParts, gatewayId: string | undefined): Figures['tunnels'] {
  const all = [...(gatewayId === undefined ? tunnels.all() : tunnels.of(gatewayId))].slice(0, listedMax);
  if (gatewayId === undefined) return all.map(figuresOf);
  // Clients fill their listeners' errors and refusals at will: what would not go over the bus is not made.
  const listed = all.values().map((tunnel) => {
    return { ...figuresOf(tunnel), listeners: [...cloud.book.statesOf(tunnel)] };
  });
  return takePage(listed, figuresBytesMax);
}

function frontFigures(
  { fronts, refusals }: NodeParts,
  destinationIds: readonly string[] | undefined,
): Figures['fronts'] {
  const named = destinationIds?.slice(0, listedMax).flatMap((id) => fronts.stateOf(id) ?? []);
  return (named ?? [...fronts.states().take(listedMax)]).map(({ destinationId, listening, error }) => {
    const last = refusals.last(destinationId).at(-1);
    if (last === undefined) return { destinationId, listening, error };
    const { at, caller, code, text } = last;
    const lastRefusal = { at, caller: caller.slice(0, 64), code, text: text.slice(0, toldTextMax.refusal) };
    return { destinationId, listening, error, lastRefusal };
  });
}

function figuresOf({ id, clientId, session }: Tunnel) {
  return { tunnelId: id, clientId, roundTripMs: session.roundTripMs, streams: session.streamCount };
}
