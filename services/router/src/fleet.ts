/**
 * What runs now: fronts, connected clients, nodes. Who is connected comes from the presence table in memory; figures that
 * change by the moment are asked of the nodes, all at once and for half a second at most, and are null for a node
 * that did not answer. Nothing here is stored.
 */
import type { Bus } from '@postern/bus';
import {
  ask,
  listTunnels,
  type CloudListenerState,
  type ConnectedClient,
  type FleetNode,
  type Front,
  type TunnelPresence,
} from '@postern/contracts';
import { fitPage } from '@postern/replica';
import type { Page } from '@postern/store';
import type { DestinationDocument, Documents } from './document.ts';
import { gatewayNotFound } from './errors.ts';
import { frontUrl } from './naming.ts';
import { type PageRequest, pageItemsDefault, pageOfIds } from './page.ts';

const liveDeadlineMs = 500;
/** Gateways of which a page is read together. */
const gatewaysAtOnce = 16;
/** In no ID. */
const cursorMark = '/';

/** The presence table as the fleet is read from it. */
export interface PresenceView {
  /** Every tunnel that is up, with its node. */
  tunnels(gatewayId: string): readonly { node: string; tunnel: TunnelPresence }[];
  /** The gateways that have tunnels. */
  readonly gateways: Iterable<string>;
  nodes(): readonly FleetNode[];
}

type LiveFigures = ReturnType<(typeof listTunnels)['checkAnswer']>;

interface FrontsRequest extends PageRequest {
  gatewayIds?: readonly string[];
  destinationIds?: readonly string[];
  live?: boolean;
}

/** What runs now. */
export class Fleet {
  readonly #bus: Bus;
  readonly #documents: Documents;
  readonly #presence: PresenceView;

  constructor(parts: { bus: Bus; documents: Documents; presence: PresenceView }) {
    this.#bus = parts.bus;
    this.#documents = parts.documents;
    this.#presence = parts.presence;
  }

  /**
   * A page of fronts, of all gateways, of those named, or of some destinations; with `live`, whether each node listens. A
   * page of destinations is read for it, so that those without a front (cloud ones) make it shorter.
   */
  async listFronts(request: FrontsRequest): Promise<Page<Front>> {
    const page = await this.#destinations(request);
    const destinationIds = page.items.flatMap(({ id, front }) => (front === undefined ? [] : [id]));
    const isAsked = request.live === true && destinationIds.length > 0;
    const figures = isAsked ? await this.#askNodes(this.#nodeNames(), { destinationIds }) : [];
    const shown = await Promise.all(page.items.map((destination) => this.#front(destination, figures)));
    const fronts = { items: shown.filter((front) => front !== null), nextCursor: page.nextCursor };
    // Those that are asked for by their IDs have no next page.
    return request.destinationIds === undefined
      ? fitPage(fronts, ({ gatewayId, destinationId: id }) =>
          request.gatewayIds === undefined ? id : cursorOf({ gatewayId, id }),
        )
      : fronts;
  }

  /** A page of a gateway's connected clients with their tunnels. */
  async listClients(
    request: PageRequest & { gatewayId: string; clientId?: string },
  ): Promise<Page<ConnectedClient>> {
    const { gatewayId, clientId } = request;
    const tunnels = this.#presence.tunnels(gatewayId);
    // The documents are asked only where there is nobody to show, so that clients are seen while those are out of reach.
    if (tunnels.length === 0 && (await this.#documents.gateways.get(gatewayId)) === null)
      throw gatewayNotFound(gatewayId);
    const byClient = Map.groupBy(tunnels, ({ tunnel }) => tunnel.clientId);
    const wanted = [...byClient.keys()].filter((id) => clientId === undefined || id === clientId);
    const { ids, nextCursor } = pageOfIds(wanted, request);
    const shown = ids.map((id) => byClient.get(id) ?? []);
    const nodes = new Set(shown.flat().map(({ node }) => node));
    const figures = await this.#askNodes(nodes, { gatewayId });
    const items = shown.flatMap((own) => showClient(own, figures));
    return fitPage({ items, nextCursor }, ({ id }) => id);
  }

  /** All nodes that are not forgotten, in the order of their names. One that is silent is not ready, whatever it said last. */
  listNodes(): { items: FleetNode[] } {
    const nodes = this.#presence.nodes().map((node) => ({ ...node, ready: node.heard && node.ready }));
    return { items: nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
  }

  /** How many clients of a gateway are connected. */
  countClients(gatewayId: string): number {
    return new Set(this.#presence.tunnels(gatewayId).map(({ tunnel }) => tunnel.clientId)).size;
  }

  /** How many clients are connected in all. */
  countAllClients(): number {
    return [...this.#presence.gateways].reduce((sum, gatewayId) => sum + this.countClients(gatewayId), 0);
  }

  async #destinations({
    gatewayIds,
    destinationIds,
    limit = pageItemsDefault,
    cursor = null,
  }: FrontsRequest): Promise<Page<DestinationDocument>> {
    const { destinations } = this.#documents;
    if (destinationIds !== undefined) {
      const found = await Promise.all(destinationIds.map((id) => destinations.get(id)));
      const items = found.filter((one) => one !== null);
      return { items: items.filter((one) => gatewayIds?.includes(one.gatewayId) ?? true), nextCursor: null };
    }
    if (gatewayIds === undefined) return destinations.list({ limit, cursor });
    return this.#destinationsOf(gatewayIds, limit, cursor);
  }

  /** Gateway after gateway, so that however many there are no more is read than a page of a few of them. */
  async #destinationsOf(
    gatewayIds: readonly string[],
    limit: number,
    cursor: string | null,
  ): Promise<Page<DestinationDocument>> {
    const [fromGateway = '', afterId = ''] = cursor?.split(cursorMark) ?? [];
    const left = [...new Set(gatewayIds)].filter((id) => id >= fromGateway).sort();
    const found: DestinationDocument[] = [];
    while (left.length > 0 && found.length <= limit) {
      const pages = await Promise.all(
        left.splice(0, gatewaysAtOnce).map((gatewayId) =>
          this.#documents.destinations.list({
            filter: { gatewayId },
            limit: limit + 1,
            cursor: gatewayId === fromGateway ? afterId : null,
          }),
        ),
      );
      found.push(...pages.flatMap(({ items }) => items));
    }
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, nextCursor: found.length > limit && last !== undefined ? cursorOf(last) : null };
  }

  async #front(
    { id, gatewayId, name, enabled, front }: DestinationDocument,
    figures: LiveFigures[],
  ): Promise<Front | null> {
    if (front === undefined) return null;
    const gateway = await this.#documents.gateways.get(gatewayId);
    const { protocol, host, port } = front;
    return {
      destinationId: id,
      gatewayId,
      name,
      protocol,
      host,
      port,
      url: frontUrl(front),
      enabled: enabled && (gateway?.enabled ?? false),
      listening: figures.flatMap(({ node, fronts }) => {
        const here = fronts.find(({ destinationId }) => destinationId === id);
        if (here === undefined) return [];
        const { listening, error, lastRefusal } = here;
        return [{ node, listening, error, ...(lastRefusal === undefined ? {} : { lastRefusal }) }];
      }),
    };
  }

  #nodeNames(): Set<string> {
    return new Set(this.#presence.nodes().map(({ name }) => name));
  }

  async #askNodes(
    nodes: ReadonlySet<string>,
    body: { gatewayId: string } | { destinationIds: string[] },
  ): Promise<LiveFigures[]> {
    const answers = await Promise.allSettled(
      [...nodes].map((suffix) => ask(this.#bus, listTunnels, body, { suffix, deadlineMs: liveDeadlineMs })),
    );
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }
}

function cursorOf({ gatewayId, id }: Pick<DestinationDocument, 'gatewayId' | 'id'>): string {
  return `${gatewayId}${cursorMark}${id}`;
}

function showClient(
  own: readonly { node: string; tunnel: TunnelPresence }[],
  figures: readonly LiveFigures[],
): ConnectedClient[] {
  const byAge = own.toSorted((a, b) => (a.tunnel.connectedAt < b.tunnel.connectedAt ? -1 : 1));
  const [oldest] = byAge;
  if (oldest === undefined) return [];
  const { clientId, gatewayId, facts, address, connectedAt, ownRules } = oldest.tunnel;
  return [
    {
      id: clientId,
      gatewayId,
      name: facts.name,
      version: facts.version,
      platform: facts.platform,
      address,
      connectedAt,
      ownAccessList: ownRules !== null,
      listeners: listenersOf(byAge, figures),
      tunnels: byAge.map(({ node, tunnel }) => ({
        id: tunnel.tunnelId,
        node,
        transport: tunnel.transport,
        tokenId: tunnel.tokenId,
        connectedAt: tunnel.connectedAt,
        ...liveOf(tunnel.tunnelId, node, figures),
      })),
    },
  ];
}

/** As the client's newest tunnel tells it, of those whose node answered. */
function listenersOf(
  byAge: readonly { tunnel: TunnelPresence }[],
  figures: readonly LiveFigures[],
): CloudListenerState[] {
  const all = new Map(figures.flatMap(({ tunnels }) => tunnels.map((one) => [one.tunnelId, one.listeners])));
  const newest = byAge.findLast(({ tunnel }) => (all.get(tunnel.tunnelId)?.length ?? 0) > 0);
  return newest === undefined ? [] : (all.get(newest.tunnel.tunnelId) ?? []);
}

function liveOf(
  tunnelId: string,
  node: string,
  figures: readonly LiveFigures[],
): { roundTripMs: number | null; streams: number | null } {
  const found = figures
    .find((answer) => answer.node === node)
    ?.tunnels.find((tunnel) => tunnel.tunnelId === tunnelId);
  return { roundTripMs: found?.roundTripMs ?? null, streams: found?.streams ?? null };
}
