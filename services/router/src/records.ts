/** What followers of the router's feeds get: gateways and destinations, each with no more than they need. */
import type { DestinationFront, GatewayRecord, Route } from '@postern/contracts';
import type { FeedSource } from '@postern/replica';
import type { DestinationDocument, Documents, GatewayDocument } from './document.ts';
import { wholeFront } from './form.ts';

const pageItems = 200;

/** Whether a front is on the port that server names tell apart. */
type IsShared = (front: DestinationFront) => boolean;

/** The items of `router.gateways`. */
export function gatewaySource({ gateways }: Documents): FeedSource<GatewayRecord> {
  return {
    read: async (ids) => {
      const found = await Promise.all(ids.map((id) => gateways.get(id)));
      return found.filter((gateway) => gateway !== null).map(recordOf);
    },
    list: async (cursor) => {
      const { items, nextCursor } = await gateways.list({ cursor, limit: pageItems });
      return { items: items.map(recordOf), nextCursor };
    },
  };
}

/** The items of `router.routes`. */
export function routeSource(documents: Documents, isShared: IsShared): FeedSource<Route> {
  return {
    read: async (ids) => {
      const found = await Promise.all(ids.map((id) => documents.destinations.get(id)));
      return routesOf(
        documents,
        isShared,
        found.filter((destination) => destination !== null),
      );
    },
    list: async (cursor) => {
      const { items, nextCursor } = await documents.destinations.list({ cursor, limit: pageItems });
      return { items: await routesOf(documents, isShared, items), nextCursor };
    },
  };
}

/** A destination whose gateway is gone was deleted with it, between the two reads. */
async function routesOf(
  documents: Documents,
  isShared: IsShared,
  destinations: readonly DestinationDocument[],
): Promise<Route[]> {
  const gatewayIds = [...new Set(destinations.map(({ gatewayId }) => gatewayId))];
  const found = await Promise.all(gatewayIds.map((id) => documents.gateways.get(id)));
  const gateways = new Map(
    found.filter((gateway) => gateway !== null).map((gateway) => [gateway.id, gateway]),
  );
  return destinations.flatMap((destination) => {
    const gateway = gateways.get(destination.gatewayId);
    return gateway === undefined ? [] : [routeOf(destination, gateway, isShared)];
  });
}

function recordOf({ id, name, enabled, requireToken }: GatewayDocument): GatewayRecord {
  return { id, name, enabled, requireToken };
}

function routeOf(destination: DestinationDocument, gateway: GatewayDocument, isShared: IsShared): Route {
  const { id, gatewayId, name, kind, enabled, resource, front, clientPort, listener, health } = destination;
  return {
    id,
    gatewayId,
    gatewayName: gateway.name,
    name,
    kind,
    enabled,
    gatewayEnabled: gateway.enabled,
    resource,
    ...(front === undefined ? {} : { front: wholeFront(front) }),
    shared: front !== undefined && isShared(front),
    ...(clientPort === undefined ? {} : { clientPort }),
    ...(listener === undefined ? {} : { listener }),
    health,
  };
}
