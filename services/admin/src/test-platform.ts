/**
 * For tests: the owners that admin asks, as small as their contracts allow, on an in-process bus. What they answer is
 * checked against the contracts by `answer`; they decide nothing that the real ones decide.
 */
import { MemoryHub, type Bus } from '@postern/bus';
import {
  ServiceError,
  aclChanged,
  addSourceRule,
  announce,
  answer,
  createApiKey,
  createDestination,
  createGateway,
  createToken,
  deleteApiKey,
  deleteDestination,
  deleteGateway,
  explainAccess,
  getAccessList,
  getDestination,
  getGateway,
  getSourceRules,
  getToken,
  listApiKeys,
  listClients,
  listDestinations,
  listFronts,
  listGateways,
  listNodes,
  listTicketKeys,
  listTokens,
  putAccessList,
  putSourceRules,
  revokeToken,
  secretHash,
  updateDestination,
  updateGateway,
  verifyApiKey,
  type AccessList,
  type ApiKey,
  type Destination,
  type DestinationInput,
  type Gateway,
  type Role,
  type SourceRules,
  type Token,
} from '@postern/contracts';
import { openSqlite, type Store } from '@postern/store';
import { Metrics, silentLogger } from '@postern/telemetry';
import type { FastifyInstance } from 'fastify';
import { Authenticator } from './http/authentication.ts';
import { IdempotencyKeeper } from './http/idempotency.ts';
import { createServer } from './http/server.ts';
import { adminMetrics } from './metrics.ts';
import { allEndpoints } from './resource/all.ts';

/** An admin server on stand-ins of its owners. */
export interface TestPlatform {
  readonly app: FastifyInstance;
  readonly hub: MemoryHub;
  readonly bus: Bus;
  readonly store: Store;
  /** How often each subject was asked. */
  readonly asked: Map<string, number>;
  /** Adds a key with this role. */
  addKey(key: string, role: Role, gateways?: string[] | null): void;
  /** Takes an owner off the bus. */
  silence(): void;
  close(): Promise<void>;
}

/** Keys that there are from the beginning. */
export const testKeys = { owner: 'owner-key', operator: 'operator-key', viewer: 'viewer-key' } as const;

/** Starts it. */
export async function testPlatform(options: { apiKeyCacheMs?: number } = {}): Promise<TestPlatform> {
  const hub = new MemoryHub();
  const bus = hub.connect();
  const store = openSqlite(':memory:');
  const owners = new Owners(hub.connect());
  for (const [role, key] of Object.entries(testKeys)) owners.addKey(key, role as Role, null);
  const idempotency = await IdempotencyKeeper.open({
    store,
    recordsMax: 100,
    lifeMs: 86_400_000,
    onError: () => undefined,
  });
  const authenticator = new Authenticator({
    bus,
    entriesMax: 10,
    lifeMs: options.apiKeyCacheMs ?? 60_000,
    onError: () => undefined,
  });
  const app = await createServer({
    endpoints: allEndpoints({ bus, store, version: '0.0.0' }),
    authenticator,
    idempotency,
    metrics: adminMetrics(new Metrics()),
    logger: silentLogger,
    version: '0.0.0',
  });
  return {
    app,
    hub,
    bus,
    store,
    asked: owners.asked,
    addKey: (key, role, gateways = null) => owners.addKey(key, role, gateways),
    silence: () => owners.close(),
    close: async () => {
      await app.close();
      authenticator.close();
      owners.close();
      await store.close();
    },
  };
}

const time = '2026-01-01T00:00:00.000Z';
let lastId = 0;

function object(prefix: string): { id: string; revision: number; createdAt: string; modifiedAt: string } {
  lastId += 1;
  return { id: `${prefix}${lastId}`, revision: 1, createdAt: time, modifiedAt: time };
}

class Owners {
  readonly asked = new Map<string, number>();
  readonly #bus: Bus;
  readonly #closers: (() => void)[] = [];
  readonly #gateways = new Map<string, Gateway>();
  readonly #destinations = new Map<string, Destination>();
  readonly #tokens = new Map<string, Token>();
  readonly #keys = new Map<string, ApiKey>();
  readonly #lists = new Map<string, AccessList>();
  readonly #sources = new Map<string, SourceRules>();

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#serveRouter();
    this.#serveAcl();
    this.#serveFleet();
  }

  addKey(key: string, role: Role, gateways: string[] | null): ApiKey {
    const made = { ...object('key'), name: key, role, gateways };
    this.#keys.set(secretHash(key), made);
    return made;
  }

  close(): void {
    for (const close of this.#closers.splice(0)) close();
  }

  #answer: typeof answer = (bus, question, handler, options) => {
    const subscription = answer(
      bus,
      question,
      (body) => {
        this.asked.set(question.subject, (this.asked.get(question.subject) ?? 0) + 1);
        return handler(body);
      },
      options,
    );
    this.#closers.push(() => subscription.close());
    return subscription;
  };

  #serveRouter(): void {
    const bus = this.#bus;
    this.#answer(bus, createGateway, ({ name, description = '', enabled = true, requireToken = true }) => {
      const made = {
        ...object('gw'),
        name,
        description,
        enabled,
        requireToken,
        connected: false,
        clients: 0,
      };
      this.#gateways.set(made.id, made);
      return made;
    });
    this.#answer(bus, getGateway, ({ id }) => this.#gateway(id));
    this.#answer(bus, listGateways, ({ ids, ...page }) =>
      pageBy(
        [...this.#gateways.values()].filter((one) => ids === undefined || ids.includes(one.id)),
        page,
      ),
    );
    this.#answer(bus, updateGateway, ({ id, patch, revision }) => {
      const before = this.#gateway(id);
      demandRevision(before.revision, revision);
      const after = { ...before, ...withoutNulls(patch), revision: before.revision + 1 };
      this.#gateways.set(id, after);
      return after;
    });
    this.#answer(bus, deleteGateway, ({ id, revision }) => {
      demandRevision(this.#gateway(id).revision, revision);
      this.#gateways.delete(id);
      return {};
    });
    this.#answer(bus, createDestination, ({ gatewayId, input }) => {
      this.#gateway(gatewayId);
      const made = destinationOf(gatewayId, input);
      this.#destinations.set(made.id, made);
      return made;
    });
    this.#answer(bus, getDestination, (one) => this.#destination(one));
    this.#answer(bus, listDestinations, ({ gatewayId, ...page }) =>
      pageBy(
        [...this.#destinations.values()].filter((one) => one.gatewayId === gatewayId),
        page,
      ),
    );
    this.#answer(bus, updateDestination, ({ patch, revision, ...one }) => {
      const before = this.#destination(one);
      demandRevision(before.revision, revision);
      const after = { ...before, ...withoutNulls(patch), revision: before.revision + 1 };
      this.#destinations.set(one.id, after);
      return after;
    });
    this.#answer(bus, deleteDestination, ({ revision, ...one }) => {
      demandRevision(this.#destination(one).revision, revision);
      this.#destinations.delete(one.id);
      return {};
    });
  }

  #serveAcl(): void {
    const bus = this.#bus;
    this.#answer(bus, verifyApiKey, ({ keyHash }) => {
      const key = this.#keys.get(keyHash);
      if (key === undefined) throw refusal('ACL_API_KEY_WRONG', 401);
      return key;
    });
    this.#answer(bus, createApiKey, ({ name, role, gateways = null }) => {
      const key = `secret-${name}`;
      return { ...this.addKey(key, role, gateways), name, key };
    });
    this.#answer(bus, listApiKeys, (page) => pageBy([...this.#keys.values()], page));
    this.#answer(bus, deleteApiKey, ({ id }) => {
      const [hash] = [...this.#keys].find(([, key]) => key.id === id) ?? [];
      if (hash === undefined) throw refusal('ACL_API_KEY_NOT_FOUND', 404);
      this.#keys.delete(hash);
      announce(bus, aclChanged, { kind: 'api-key', action: 'deleted', id, gatewayId: null, at: time });
      return {};
    });
    this.#answer(bus, createToken, ({ gatewayId, input: { note = '', expiresInDays = 90 } }) => {
      this.#gateway(gatewayId);
      const expiresAt = expiresInDays === 0 ? null : time;
      const token = { ...object('tok'), gatewayId, note, expiresAt, expired: false };
      this.#tokens.set(token.id, token);
      return { ...token, token: `pt_${token.id}` };
    });
    this.#answer(bus, getToken, ({ id }) => found(this.#tokens.get(id), 'ACL_TOKEN_NOT_FOUND'));
    this.#answer(bus, listTokens, ({ gatewayId, ...page }) =>
      pageBy(
        [...this.#tokens.values()].filter((one) => one.gatewayId === gatewayId),
        page,
      ),
    );
    this.#answer(bus, revokeToken, ({ id }) => {
      found(this.#tokens.get(id), 'ACL_TOKEN_NOT_FOUND');
      this.#tokens.delete(id);
      return {};
    });
    this.#answer(bus, getAccessList, ({ gatewayId }) => this.#list(gatewayId));
    this.#answer(bus, putAccessList, ({ gatewayId, input, revision }) => {
      const before = this.#list(gatewayId);
      demandRevision(before.revision, revision);
      const after = { ...before, rules: input.rules, revision: before.revision + 1 };
      this.#lists.set(gatewayId, after);
      return after;
    });
    this.#answer(bus, explainAccess, ({ targets }) => ({
      decisions: targets.map(({ host }) => ({
        allowed: host === '10.0.0.5',
        rule: { list: 'gateway' as const, index: 0, text: `allow ${host}` },
        reason: 'as the test says',
      })),
    }));
    this.#answer(bus, getSourceRules, ({ gatewayId, destinationId }) =>
      this.#source(gatewayId, destinationId),
    );
    this.#answer(bus, putSourceRules, ({ gatewayId, destinationId, input, revision }) => {
      const before = this.#source(gatewayId, destinationId);
      demandRevision(before.revision, revision);
      const { restricted, rules = [] } = input;
      return this.#keepSource({ ...before, restricted, rules, revision: before.revision + 1 });
    });
    this.#answer(bus, addSourceRule, ({ gatewayId, destinationId, rule }) => {
      const before = this.#source(gatewayId, destinationId);
      return this.#keepSource({ ...before, rules: [...before.rules, rule], revision: before.revision + 1 });
    });
    this.#answer(bus, listTicketKeys, () => ({ keys: [] }));
  }

  #serveFleet(): void {
    const bus = this.#bus;
    const tunnel = {
      id: 't1',
      node: 'edge-1',
      transport: 'direct' as const,
      tokenId: null,
      connectedAt: time,
      roundTripMs: 1.5,
      streams: 2,
    };
    const client = {
      id: 'client1',
      gatewayId: 'gw',
      name: 'plant',
      version: '1',
      platform: 'linux',
      address: '127.0.0.1',
      connectedAt: time,
      ownAccessList: false,
      tunnels: [tunnel],
    };
    this.#answer(bus, listClients, ({ gatewayId, clientId }) => ({
      items: clientId === undefined || clientId === client.id ? [{ ...client, gatewayId }] : [],
      nextCursor: null,
    }));
    this.#answer(bus, listFronts, ({ gatewayIds, ...page }) =>
      pageBy(
        [...this.#destinations.values()]
          .filter((one) => gatewayIds === undefined || gatewayIds.includes(one.gatewayId))
          .map(({ id, gatewayId, name, enabled }) => ({
            id,
            destinationId: id,
            gatewayId,
            name,
            enabled,
            protocol: 'tcp' as const,
            host: 'localhost',
            port: 15000,
            url: 'tcp://localhost:15000',
            listening: [{ node: 'edge-1', listening: true, error: null }],
          })),
        page,
      ),
    );
    this.#answer(bus, listNodes, () => ({
      items: [
        {
          name: 'edge-1',
          bootId: 'boot-id-1',
          startedAt: time,
          version: '0.1.0',
          zone: '',
          address: '127.0.0.1:9000',
          heard: true,
          ready: true,
          draining: false,
          tunnels: 1,
        },
      ],
    }));
  }

  #gateway(id: string): Gateway {
    return found(this.#gateways.get(id), 'ROUTER_GATEWAY_NOT_FOUND');
  }

  #destination({ gatewayId, id }: { gatewayId: string; id: string }): Destination {
    const destination = this.#destinations.get(id);
    return found(
      destination?.gatewayId === gatewayId ? destination : undefined,
      'ROUTER_DESTINATION_NOT_FOUND',
    );
  }

  #list(gatewayId: string): AccessList {
    return this.#lists.get(gatewayId) ?? { ...object('x'), id: gatewayId, revision: 0, rules: [] };
  }

  #source(gatewayId: string, id: string): SourceRules {
    const none = { ...object('x'), id, revision: 0, gatewayId, restricted: false, rules: [] };
    return this.#sources.get(id) ?? none;
  }

  #keepSource(rules: SourceRules): SourceRules {
    this.#sources.set(rules.id, rules);
    return rules;
  }
}

function destinationOf(gatewayId: string, input: DestinationInput): Destination {
  const tls = { mode: 'none' as const, serverName: null, caCertificateIds: [], clientCertificateId: null };
  return {
    ...object('d'),
    gatewayId,
    name: input.name,
    kind: input.kind ?? 'on-premises',
    enabled: input.enabled ?? true,
    resource: {
      protocol: 'tcp',
      proxy: null,
      connectTimeoutSeconds: 30,
      idleTimeoutSeconds: 0,
      compress: false,
      ...input.resource,
      tls: { ...tls, rejectUnauthorized: true },
    },
    front: {
      protocol: 'tcp',
      host: 'localhost',
      port: input.front?.port ?? 15000,
      url: 'tcp://localhost:15000',
      tls: { mode: 'none', certificateId: null, clientCaIds: [] },
      proxyProtocol: 'off',
    },
    health: { kind: 'none', path: '/', intervalSeconds: 10 },
  };
}

function withoutNulls(patch: object): object {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== null));
}

function pageBy<T extends { id: string }>(
  all: readonly T[],
  { limit = 50, cursor = null }: { limit?: number; cursor?: string | null },
): { items: T[]; nextCursor: string | null } {
  const from = cursor === null ? 0 : Number(cursor);
  const items = all.slice(from, from + limit);
  return { items, nextCursor: from + limit < all.length ? String(from + limit) : null };
}

function found<T>(value: T | undefined, code: string): T {
  if (value === undefined) throw refusal(code, 404);
  return value;
}

function demandRevision(current: number, expected: number | undefined): void {
  if (expected !== undefined && expected !== current) throw refusal('ROUTER_REVISION_STALE', 412);
}

function refusal(code: string, status: number): ServiceError {
  return new ServiceError({ code, message: 'refused by the test', status });
}
