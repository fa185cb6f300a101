/**
 * What an operator wants to see happen: a resource dialled now, the way to a client measured, the health of resources.
 * The clients do it; who is connected, and at which nodes, is in the presence table, and a node with a tunnel of the
 * client is asked. Nothing here is kept.
 */
import type { Bus } from '@postern/bus';
import {
  type ClientHealth,
  type ClientTest,
  type NodeTest,
  ServiceError,
  type TestStep,
  type TunnelPresence,
  ask,
  dialTargetOf,
  listHealth,
  pingAtNode,
  testAtClient,
  testAtNode,
} from '@postern/contracts';
import type { DestinationDocument, Documents } from './document.ts';
import { clientUnknown, destinationNotFound, invalid, noClient } from './errors.ts';
import type { PresenceView } from './fleet.ts';

/** How long a node may take to say what its clients found. */
const healthDeadlineMs = 500;
/** The most states of clients in one answer: more would be too long for the bus. */
const statesMax = 12_000;
/** The most clients, or nodes, that one test asks. */
const askedMax = 32;

interface At {
  readonly node: string;
  readonly tunnel: TunnelPresence;
}

/** Asks clients by their nodes. */
export class Diagnosis {
  readonly #bus: Bus;
  readonly #documents: Pick<Documents, 'gateways' | 'destinations'>;
  readonly #presence: PresenceView;

  constructor(parts: {
    bus: Bus;
    documents: Pick<Documents, 'gateways' | 'destinations'>;
    presence: PresenceView;
  }) {
    this.#bus = parts.bus;
    this.#documents = parts.documents;
    this.#presence = parts.presence;
  }

  /** Has one client dial the resource now, or every one that is connected; of a cloud destination, every node. */
  async test(request: { gatewayId: string; id: string; clientId?: string }): Promise<{
    ok: boolean;
    clients: ClientTest[];
    nodes: NodeTest[];
  }> {
    const { gatewayId, id, clientId } = request;
    const destination = await this.#documents.destinations.get(id);
    if (destination === null || destination.gatewayId !== gatewayId) throw destinationNotFound(gatewayId, id);
    if (destination.kind === 'cloud') return this.#testCloud(destination, clientId);
    const byClient = Map.groupBy(this.#presence.tunnels(gatewayId), ({ tunnel }) => tunnel.clientId);
    const wanted = [...byClient].filter(([one]) => clientId === undefined || one === clientId);
    if (wanted.length === 0 && clientId !== undefined) throw clientUnknown(clientId);
    if (wanted.length === 0)
      throw noClient(gatewayId, (await this.#documents.gateways.get(gatewayId))?.enabled);
    const clients = await Promise.all(
      wanted.slice(0, askedMax).map(([one, at]) => this.#testBy(destination, one, at)),
    );
    return { ok: clients.every(({ ok }) => ok), clients, nodes: [] };
  }

  /** The round trip over each tunnel of a client. */
  async ping({ gatewayId, clientId }: { gatewayId: string; clientId: string }): Promise<{
    tunnels: { id: string; node: string; ms: number | null }[];
  }> {
    const own = this.#presence.tunnels(gatewayId).filter(({ tunnel }) => tunnel.clientId === clientId);
    if (own.length === 0) throw clientUnknown(clientId);
    const byNode = Map.groupBy(own, ({ node }) => node);
    const answers = await Promise.all(
      [...byNode].map(async ([node, at]) => {
        const known = await this.#pingAt(node, gatewayId, clientId);
        return at.map(({ tunnel }) => ({
          id: tunnel.tunnelId,
          node,
          ms: known.find(({ id }) => id === tunnel.tunnelId)?.ms ?? null,
        }));
      }),
    );
    return { tunnels: answers.flat() };
  }

  /** What each connected client found of some destinations, or of cloud ones each node; `unknown` where it has not said. */
  async health(request: { gatewayId: string; destinationIds: readonly string[] }): Promise<{
    items: { destinationId: string; state: Record<string, ClientHealth> }[];
  }> {
    const { gatewayId, destinationIds } = request;
    const tunnels = this.#presence.tunnels(gatewayId);
    const cloud = await this.#cloudOf(destinationIds);
    const heard = cloud.size === 0 ? [] : this.#heardNodes();
    const nodes = new Set([...tunnels.map(({ node }) => node), ...heard]);
    const body = { gatewayId, destinationIds: [...destinationIds] };
    const answers = await Promise.allSettled(
      [...nodes].map((suffix) => ask(this.#bus, listHealth, body, { suffix, deadlineMs: healthDeadlineMs })),
    );
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.items : []));
    const byPair = new Map(found.map((one) => [pairOf(one), one]));
    const clientsMax = Math.ceil(statesMax / destinationIds.length);
    const clientIds = [...new Set(tunnels.map(({ tunnel }) => tunnel.clientId))].sort().slice(0, clientsMax);
    return {
      items: destinationIds.map((destinationId) => ({
        destinationId,
        state: Object.fromEntries(
          (cloud.has(destinationId) ? heard : clientIds).map((clientId) => [
            clientId,
            stateOf(byPair.get(pairOf({ clientId, destinationId }))),
          ]),
        ),
      })),
    };
  }

  async #testCloud(
    { gatewayId, id }: DestinationDocument,
    clientId: string | undefined,
  ): Promise<{ ok: boolean; clients: ClientTest[]; nodes: NodeTest[] }> {
    if (clientId !== undefined)
      throw invalid([
        { path: '/client', message: 'is for an on-premises destination; nodes dial cloud ones' },
      ]);
    const nodes = await Promise.all(
      this.#heardNodes()
        .slice(0, askedMax)
        .map((node) => this.#testByNode(gatewayId, id, node)),
    );
    return { ok: nodes.length > 0 && nodes.every(({ ok }) => ok), clients: [], nodes };
  }

  async #testByNode(gatewayId: string, destinationId: string, node: string): Promise<NodeTest> {
    const asked = ask(this.#bus, testAtNode, { gatewayId, destinationId }, { suffix: node });
    return { node, ...(await outcomeOf(asked)) };
  }

  /** Which of these are cloud destinations. */
  async #cloudOf(destinationIds: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await Promise.all(destinationIds.map((id) => this.#documents.destinations.get(id)));
    return new Set(found.flatMap((one) => (one?.kind === 'cloud' ? [one.id] : [])));
  }

  #heardNodes(): string[] {
    return this.#presence
      .nodes()
      .filter(({ heard }) => heard)
      .map(({ name }) => name)
      .sort();
  }

  async #testBy(
    { id, gatewayId, resource, health }: DestinationDocument,
    clientId: string,
    at: readonly At[],
  ): Promise<ClientTest> {
    const { node, tunnel } = this.#heardFirst(at);
    const isHttp = resource.protocol === 'http' || health.kind === 'http';
    const host = resource.tls.serverName ?? resource.host;
    const question = {
      gatewayId,
      clientId,
      destinationId: id,
      target: dialTargetOf(resource),
      http: isHttp ? { host, path: health.path } : null,
    };
    const outcome = await outcomeOf(ask(this.#bus, testAtClient, question, { suffix: node }));
    return { clientId, name: tunnel.facts.name, node, ...outcome };
  }

  async #pingAt(
    node: string,
    gatewayId: string,
    clientId: string,
  ): Promise<readonly { id: string; ms: number | null }[]> {
    try {
      return (await ask(this.#bus, pingAtNode, { gatewayId, clientId }, { suffix: node })).tunnels;
    } catch (error) {
      if (ServiceError.from(error).body.status !== 503) throw error;
      return [];
    }
  }

  /** A node that was heard of lately, where there is one. */
  #heardFirst(at: readonly At[]): At {
    const heard = this.#heardNodes();
    return at.find(({ node }) => heard.includes(node)) ?? (at[0] as At);
  }
}

function pairOf({ clientId, destinationId }: { clientId: string; destinationId: string }): string {
  return `${clientId}/${destinationId}`;
}

function stateOf(found: { ok: boolean; since: string; cause: string | null } | undefined): ClientHealth {
  if (found === undefined) return { state: 'unknown', since: null, cause: null };
  return { state: found.ok ? 'ok' : 'failing', since: found.since, cause: found.cause };
}

async function outcomeOf(asked: Promise<{ steps: TestStep[] }>): Promise<Omit<NodeTest, 'node'>> {
  try {
    const { steps } = await asked;
    const ms = steps.reduce((sum, step) => sum + step.ms, 0);
    const ok = steps.length > 0 && steps.every((step) => step.ok);
    return { ok, ms: Math.round(ms * 10) / 10, steps, error: null };
  } catch (error) {
    const { code, message } = ServiceError.from(error).body;
    return { ok: false, ms: 0, steps: [], error: `${code}: ${message}` };
  }
}
