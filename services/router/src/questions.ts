/** Which question is answered by what. All replicas of the router answer from one queue group. */
import type { Subscription } from '@postern/bus';
import {
  type Answerer,
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
  done,
} from '@postern/contracts';
import type { Destinations } from './destinations.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { Fleet } from './fleet.ts';
import type { Gateways } from './gateways.ts';

/** What answers. */
export interface Answerers {
  gateways: Gateways;
  destinations: Destinations;
  fleet: Fleet;
  diagnosis: Diagnosis;
  release: (certificate: { id: string; deletion?: string; isOver?: boolean }) => Promise<void>;
}

/** Answers every question that the router is asked, until the subscriptions are closed. */
export function answerQuestions(
  serve: Answerer,
  { gateways, destinations, fleet, diagnosis, release }: Answerers,
): Subscription[] {
  return [
    serve(createGateway, (input) => gateways.create(input)),
    serve(getGateway, ({ id }) => gateways.get(id)),
    serve(listGateways, (request) => gateways.list(request)),
    serve(updateGateway, ({ id, patch, revision }) => gateways.update(id, patch, revision)),
    serve(deleteGateway, ({ id, revision }) => done(gateways.delete(id, revision))),
    serve(createDestination, ({ gatewayId, input, keyGateways }) =>
      destinations.create(gatewayId, input, keyGateways),
    ),
    serve(getDestination, ({ gatewayId, id }) => destinations.get(gatewayId, id)),
    serve(listDestinations, (request) => destinations.list(request)),
    serve(updateDestination, ({ gatewayId, id, patch, ...change }) =>
      destinations.update(gatewayId, id, patch, change),
    ),
    serve(deleteDestination, ({ gatewayId, id, revision }) =>
      done(destinations.delete(gatewayId, id, revision)),
    ),
    serve(releaseCertificate, (certificate) => done(release(certificate))),
    serve(listFronts, (request) => fleet.listFronts(request)),
    serve(listClients, (request) => fleet.listClients(request)),
    serve(listNodes, async () => fleet.listNodes()),
    serve(testDestination, (request) => diagnosis.test(request)),
    serve(pingClient, (request) => diagnosis.ping(request)),
    serve(listDestinationHealth, (request) => diagnosis.health(request)),
  ];
}
