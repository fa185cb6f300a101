/** Which question is answered by what. All replicas of the router answer from one queue group. */
import type { Bus, Subscription } from '@postern/bus';
import {
  type Answerer,
  answererOf,
  createDestination,
  createGateway,
  deleteDestination,
  deleteGateway,
  getDestination,
  getGateway,
  listClients,
  listDestinationHealth,
  listDestinations,
  listFronts,
  listGateways,
  listNodes,
  pingClient,
  releaseCertificate,
  testDestination,
  updateDestination,
  updateGateway,
} from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { Destinations } from './destinations.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { Fleet } from './fleet.ts';
import type { Gateways } from './gateways.ts';
import type { RouterMetrics } from './metrics.ts';

const queue = 'router';

/** What answers. */
export interface Answerers {
  gateways: Gateways;
  destinations: Destinations;
  fleet: Fleet;
  diagnosis: Diagnosis;
  release: (certificateId: string) => Promise<void>;
}

/** What answering needs. */
export interface AnsweringParts {
  bus: Bus;
  logger: Logger;
  metrics: RouterMetrics;
}

/** Answers in the queue of the replicas; what fails is counted and logged. */
export function answererFor({ bus, logger, metrics }: AnsweringParts): Answerer {
  return answererOf({
    bus,
    queue,
    count: (subject, outcome) => metrics.answered(subject, outcome),
    onError: (error, subject) => logger.error({ error, subject }, 'a question failed'),
  });
}

/** Answers every question that the router is asked, until the subscriptions are closed. */
export function answerQuestions(
  parts: AnsweringParts,
  { gateways, destinations, fleet, diagnosis, release }: Answerers,
): Subscription[] {
  const serve = answererFor(parts);
  return [
    serve(createGateway, (input) => gateways.create(input)),
    serve(getGateway, ({ id }) => gateways.get(id)),
    serve(listGateways, (request) => gateways.list(request)),
    serve(updateGateway, ({ id, patch, revision }) => gateways.update(id, patch, revision)),
    serve(deleteGateway, async ({ id, revision }) => {
      await gateways.delete(id, revision);
      return {};
    }),
    serve(createDestination, ({ gatewayId, input, keyGateways }) =>
      destinations.create(gatewayId, input, keyGateways),
    ),
    serve(getDestination, ({ gatewayId, id }) => destinations.get(gatewayId, id)),
    serve(listDestinations, (request) => destinations.list(request)),
    serve(updateDestination, ({ gatewayId, id, patch, ...change }) =>
      destinations.update(gatewayId, id, patch, change),
    ),
    serve(deleteDestination, async ({ gatewayId, id, revision }) => {
      await destinations.delete(gatewayId, id, revision);
      return {};
    }),
    serve(releaseCertificate, async ({ id }) => {
      await release(id);
      return {};
    }),
    serve(listFronts, (request) => fleet.listFronts(request)),
    serve(listClients, (request) => fleet.listClients(request)),
    serve(listNodes, async () => fleet.listNodes()),
    serve(testDestination, (request) => diagnosis.test(request)),
    serve(pingClient, (request) => diagnosis.ping(request)),
    serve(listDestinationHealth, (request) => diagnosis.health(request)),
  ];
}
