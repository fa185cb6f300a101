/**
 * The admin API as tests call it: one method per call, typed by the contracts, a refusal as an error with its code.
 * `send` is for what a test wants to get wrong.
 */
import type {
  AccessDecision,
  AccessList,
  AccessRule,
  ApiKeyInput,
  ClientHealth,
  CloudListenerState,
  ClientTest,
  NodeTest,
  ConnectedClient,
  Destination,
  DestinationInput,
  FleetNode,
  Front,
  Gateway,
  GatewayInput,
  NewApiKey,
  NewToken,
  SourceRule,
  Token,
  TokenInput,
} from '@postern/contracts';
import { type JsonAnswer, JsonHttp } from './request.ts';

/** A destination as the API shows it. */
export type ShownDestination = Destination & {
  readonly accessList: AccessDecision;
  readonly health: { readonly status: string; readonly state: Readonly<Record<string, ClientHealth>> };
  /** Of an on-premises destination: its front at each node. */
  readonly listening?: Front['listening'];
  /** Of a cloud destination. */
  readonly listeners?: readonly (Omit<CloudListenerState, 'destinationId'> & { readonly clientId: string })[];
};

/** What a test of a destination is answered with. */
export interface DestinationTest {
  readonly ok: boolean;
  readonly clients: readonly ClientTest[];
  readonly nodes: readonly NodeTest[];
}

/** Source rules as they are put. */
export interface SourceRulesInput {
  readonly restricted: boolean;
  readonly rules?: readonly SourceRule[];
}

/** The API refused: `status` and `code` are those of the problem. */
export class AdminError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: unknown;

  constructor(call: string, answer: JsonAnswer) {
    const problem = (answer.body ?? {}) as { code?: string; detail?: string; title?: string };
    super(`${call}: ${answer.status} ${problem.code ?? ''} ${problem.detail ?? problem.title ?? ''}`);
    this.status = answer.status;
    this.code = problem.code ?? '';
    this.problem = answer.body;
  }
}

interface Items<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

/** Calls the API with one key. */
export class AdminClient {
  readonly #http: JsonHttp;

  constructor(options: { adminUrl: string; apiKey: string; caPem: string }) {
    const headers = { authorization: `Bearer ${options.apiKey}` };
    this.#http = new JsonHttp({ base: options.adminUrl, caPem: options.caPem, headers });
  }

  /** Any call below `/api/v1`, with whatever answer. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<JsonAnswer> {
    return this.#http.send(method, `/api/v1${path}`, body, headers);
  }

  /** Any call that must succeed. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 300 || answer.status < 200) throw new AdminError(`${method} ${path}`, answer);
    return answer.body as T;
  }

  createGateway(input: GatewayInput): Promise<Gateway> {
    return this.call('POST', '/gateways', input);
  }

  gateway(id: string): Promise<Gateway> {
    return this.call('GET', `/gateways/${id}`);
  }

  updateGateway(id: string, patch: Partial<GatewayInput>): Promise<Gateway> {
    return this.call('PATCH', `/gateways/${id}`, patch);
  }

  deleteGateway(id: string): Promise<void> {
    return this.call('DELETE', `/gateways/${id}`);
  }

  createToken(gatewayId: string, input: TokenInput = {}): Promise<NewToken> {
    return this.call('POST', `/gateways/${gatewayId}/tokens`, input);
  }

  async tokens(gatewayId: string): Promise<Token[]> {
    return (await this.call<Items<Token>>('GET', `/gateways/${gatewayId}/tokens`)).items;
  }

  revokeToken(gatewayId: string, tokenId: string): Promise<void> {
    return this.call('DELETE', `/gateways/${gatewayId}/tokens/${tokenId}`);
  }

  createDestination(gatewayId: string, input: DestinationInput): Promise<ShownDestination> {
    return this.call('POST', `/gateways/${gatewayId}/destinations`, input);
  }

  destination(gatewayId: string, id: string): Promise<ShownDestination> {
    return this.call('GET', `/gateways/${gatewayId}/destinations/${id}`);
  }

  updateDestination(gatewayId: string, id: string, patch: object): Promise<ShownDestination> {
    return this.call('PATCH', `/gateways/${gatewayId}/destinations/${id}`, patch);
  }

  deleteDestination(gatewayId: string, id: string): Promise<void> {
    return this.call('DELETE', `/gateways/${gatewayId}/destinations/${id}`);
  }

  async uploadCertificate(name: string, pem: string, keyPem?: string): Promise<string> {
    const body = { name, pem, ...(keyPem === undefined ? {} : { keyPem }) };
    return (await this.call<{ id: string }>('POST', '/certificates', body)).id;
  }

  testDestination(gatewayId: string, id: string, client?: string): Promise<DestinationTest> {
    const query = client === undefined ? '' : `?client=${client}`;
    return this.call('POST', `/gateways/${gatewayId}/destinations/${id}/test${query}`);
  }

  pingClient(
    gatewayId: string,
    clientId: string,
  ): Promise<{ tunnels: { node: string; ms: number | null }[] }> {
    return this.call('POST', `/gateways/${gatewayId}/clients/${clientId}/ping`);
  }

  accessList(gatewayId: string): Promise<AccessList> {
    return this.call('GET', `/gateways/${gatewayId}/access-list`);
  }

  putAccessList(gatewayId: string, rules: readonly AccessRule[]): Promise<AccessList> {
    return this.call('PUT', `/gateways/${gatewayId}/access-list`, { rules });
  }

  explain(gatewayId: string, target: { host: string; port: number; path?: string }): Promise<AccessDecision> {
    return this.call('POST', `/gateways/${gatewayId}/access-list/explain`, target);
  }

  putSourceRules(gatewayId: string, destinationId: string, input: SourceRulesInput): Promise<unknown> {
    return this.call('PUT', `/gateways/${gatewayId}/destinations/${destinationId}/source-rules`, input);
  }

  async clients(gatewayId: string): Promise<ConnectedClient[]> {
    return (await this.call<Items<ConnectedClient>>('GET', `/gateways/${gatewayId}/clients`)).items;
  }

  endClient(gatewayId: string, clientId: string): Promise<void> {
    return this.call('DELETE', `/gateways/${gatewayId}/clients/${clientId}`);
  }

  async fronts(): Promise<Front[]> {
    return (await this.call<Items<Front>>('GET', '/fronts?limit=200')).items;
  }

  async nodes(): Promise<FleetNode[]> {
    return (await this.call<{ items: FleetNode[] }>('GET', '/nodes')).items;
  }

  createApiKey(input: ApiKeyInput): Promise<NewApiKey> {
    return this.call('POST', '/api-keys', input);
  }

  /** Lets go of its connections. */
  close(): void {
    this.#http.close();
  }
}
