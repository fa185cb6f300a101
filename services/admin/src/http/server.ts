/**
 * The HTTP server: endpoints become routes, and what all calls share happens here, once and in this order.
 *
 *   request ──► tracking ID ──► key and permission (before a byte of the body is read) ──► body, at most
 *   bodyBytesMax ──► once only, where asked for ──► endpoint (query, body, handler) ──► answer, cut to its schema
 *
 * Everything that fails is a problem with a code. Only the description of the API can be read without a key.
 * There is no CORS: a page of another origin has no business here. There is no HSTS either: it would bind every
 * port of the host, and a browser on `localhost` would lose its other pages.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { ApiKey } from '@postern/contracts';
import { Shares, addressGroup } from '@postern/share';
import type { Logger } from '@postern/telemetry';
import { boundKeyUpdates } from '@postern/tls';
import {
  LogController,
  fastify,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import { Value } from 'typebox/value';
import { adminError } from '../errors.ts';
import type { AdminMetrics } from '../metrics.ts';
import { bearerKey, type Authenticator } from './authentication.ts';
import { answerBrokenRequest, headerBytesMax } from './broken-request.ts';
import { bodyBytesMax, parseJson } from './json-body.ts';
import type { Answer, Endpoint } from './endpoint.ts';
import { entityTag } from './entity-tag.ts';
import type { IdempotencyKeeper, KeptAnswer } from './idempotency.ts';
import { parseMultipart, readMultipart } from './multipart.ts';
import { apiInformation, basePath, hoistTitled, notInForceHeader, routeSchema } from './openapi.ts';
import { demandPermission, permissions, type Permission } from './permission.ts';
import { problemMediaType, problemOf, serviceErrorOf } from './problem.ts';

const handshakeTimeoutMs = 10_000;
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
const handlerTimeoutMs = 30_000;
export const connectionsMax = 1024;
const pathParameterCharactersMax = 100;
const idempotencyKey = /^[\x21-\x7e]{1,255}$/;

/** What the server is made of. `tls` is left out where something else ends TLS, as in tests. */
export interface ServerParts {
  readonly endpoints: readonly Endpoint[];
  readonly authenticator: Authenticator;
  readonly idempotency: IdempotencyKeeper;
  readonly metrics: AdminMetrics;
  readonly logger: Logger;
  readonly version: string;
  readonly tls?: SecureContextOptions;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose key it is; there once the request was let in. */
    apiKey: ApiKey | null;
    /** The address that it came from, which its socket no longer tells once it is closed. */
    address: string;
  }
}

/** Makes the server with all its routes; the caller listens and closes. */
export async function createServer(parts: ServerParts): Promise<FastifyInstance> {
  const app = fastify(serverOptions(parts)) as unknown as FastifyInstance;
  app.server.maxConnections = connectionsMax;
  shareConnections(app.server);
  app.server.on('secureConnection', boundKeyUpdates);
  app.decorateRequest('apiKey', null);
  app.decorateRequest('address', '');
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  parseJson(app);
  await parseMultipart(app);
  answerProblems(app, parts);
  watchRequests(app, parts);
  await describe(app, parts.version);
  for (const endpoint of parts.endpoints) addRoute(app, endpoint, parts);
  await app.ready();
  return app;
}

/** One address, or /64 of IPv6, has half of the connections at most, so that nobody keeps the others out. */
function shareConnections(server: Server): void {
  const held = new Shares(Infinity, connectionsMax / 2);
  server.on('connection', (socket: Socket) => {
    const group = addressGroup(socket.remoteAddress ?? '');
    if (held.whyFull(group) !== null) {
      socket.destroy();
      return;
    }
    held.take(group);
    socket.once('close', () => held.leave(group));
  });
}

function serverOptions({ tls, logger }: ServerParts): FastifyServerOptions {
  const limits = { maxHeaderSize: headerBytesMax, headersTimeout: headersTimeoutMs };
  return {
    loggerInstance: logger.child({ subsystem: 'http' }),
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: () => randomBytes(12).toString('base64url'),
    bodyLimit: bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    handlerTimeout: handlerTimeoutMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: pathParameterCharactersMax },
    // Found before there is a route, so no hook has run.
    frameworkErrors: (error, request, reply) => {
      reply.headers(commonHeaders(request));
      sendProblem(error, request, reply);
    },
    clientErrorHandler: answerBrokenRequest,
    ...(tls === undefined
      ? { http: limits }
      : { https: { ...limits, handshakeTimeout: handshakeTimeoutMs, ...tls } }),
  };
}

function answerProblems(app: FastifyInstance, { endpoints }: ServerParts): void {
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = methodsAt(endpoints, path);
    if (allowed.length === 0) throw adminError('ADMIN_PATH_UNKNOWN', 'there is nothing at this path');
    reply.header('allow', allowed.join(', '));
    throw adminError('ADMIN_METHOD_UNKNOWN', `this path takes ${allowed.join(', ')}`);
  });
}

function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = serviceErrorOf(thrown);
  const { status, code } = error.body;
  if (status >= 500) request.log.error({ error, trackingId: request.id, code }, 'a call failed');
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="postern"');
  if (status === 503 || status === 429) reply.header('retry-after', '1');
  const problem = JSON.stringify(problemOf(error, request.id));
  return reply.code(status).type(problemMediaType).serializer(String).send(problem);
}

/**
 * Each call is told once its answer is decided and its connection is done with that. A caller who closes early is told
 * too: what it asked for was done all the same, and fastify's own `onResponse` does not come then.
 */
function watchRequests(app: FastifyInstance, { metrics }: ServerParts): void {
  app.addHook('onRequest', async (request, reply) => {
    request.address = request.ip;
    reply.headers(commonHeaders(request));
  });
  app.addHook('onSend', async (request, reply) => {
    if (reply.raw.destroyed) tellRequest(request, reply, metrics);
    else reply.raw.once('close', () => tellRequest(request, reply, metrics));
  });
}

function tellRequest(request: FastifyRequest, reply: FastifyReply, metrics: AdminMetrics): void {
  // Who looks for the maker of an object, an API key say, finds it by its ID.
  const made = request.method === 'POST' ? reply.getHeader('location') : undefined;
  metrics.observe({
    method: request.method,
    scheme: 'https',
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    seconds: reply.elapsedTime / 1000,
  });
  request.log.info(
    {
      trackingId: request.id,
      method: request.method,
      path: request.url.split('?', 1)[0],
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime * 10) / 10,
      address: request.address,
      actor: request.apiKey?.id ?? null,
      // A key that is deleted later has its name nowhere else.
      actorName: request.apiKey?.name ?? null,
      ...(made === undefined ? {} : { made }),
    },
    reply.raw.writableFinished ? 'answered' : 'answered, and the caller had gone',
  );
}

/** On every answer, so that no browser makes of it what it is not. */
function commonHeaders(request: FastifyRequest): Record<string, string> {
  return {
    'x-tracking-id': request.id,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  };
}

/** The description of the API: for programs and for people. Its pages load nothing from elsewhere. */
async function describe(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: apiInformation(version),
    stripBasePath: true,
    transformObject: (document) =>
      hoistTitled('openapiObject' in document ? document.openapiObject : document.swaggerObject),
  });
  await app.register(swaggerUi, {
    routePrefix: '/api/docs',
    staticCSP:
      "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; img-src 'self' data:; " +
      "style-src 'self' 'unsafe-inline'",
    theme: { title: 'Postern admin API' },
    uiConfig: { persistAuthorization: false, docExpansion: 'list', validatorUrl: null, layout: 'BaseLayout' },
  });
  app.get(`${basePath}/openapi.json`, { schema: { hide: true } }, async () => app.swagger());
}

function addRoute(app: FastifyInstance, endpoint: Endpoint, parts: ServerParts): void {
  const permission = permissions[`${endpoint.method} ${endpoint.path}`];
  assert(permission, `${endpoint.method} ${endpoint.path} is in the table of permissions`);
  app.route({
    method: endpoint.method,
    url: `${basePath}${endpoint.path}`,
    schema: routeSchema(endpoint),
    onRequest: (request) => letIn(request, permission, endpoint, parts.authenticator),
    preHandler: (request) => takeForm(request, endpoint),
    handler: async (request, reply) => {
      const kept = await answerOnce(endpoint, request, parts.idempotency);
      reply.code(kept.status).headers(kept.headers);
      return kept.status === 204 ? reply.send() : reply.serializer(String).send(kept.body);
    },
  });
}

async function takeForm(request: FastifyRequest, { multipart }: Endpoint): Promise<void> {
  if (!request.isMultipart()) return;
  if (multipart !== true) throw adminError('ADMIN_MEDIA_TYPE', 'this call takes JSON only');
  request.body = await readMultipart(request);
}

async function letIn(
  request: FastifyRequest,
  permission: Permission,
  { reserve }: Endpoint,
  authenticator: Authenticator,
): Promise<void> {
  const key = await authenticator.authenticate(request.headers.authorization, request.address, {
    reserve: reserve === true,
  });
  request.apiKey = key;
  demandPermission(permission, key, paramsOf(request)['gatewayId']);
}

async function answerOnce(
  endpoint: Endpoint,
  request: FastifyRequest,
  keeper: IdempotencyKeeper,
): Promise<KeptAnswer> {
  const key = request.headers['idempotency-key'];
  if (key === undefined || endpoint.method !== 'POST') return answer(endpoint, request);
  if (typeof key !== 'string' || !idempotencyKey.test(key)) {
    throw adminError('ADMIN_HEADER_INVALID', 'Idempotency-Key has 1 to 255 printable characters');
  }
  const keyed = {
    idempotencyKey: key,
    apiKeyId: actorOf(request).id,
    apiKey: bearerKey(request.headers.authorization),
    method: request.method,
    path: request.url,
    body: request.body,
  };
  return keeper.once(keyed, () => answer(endpoint, request));
}

async function answer(endpoint: Endpoint, request: FastifyRequest): Promise<KeptAnswer> {
  const result = await endpoint.run({
    params: paramsOf(request),
    query: request.query,
    body: request.body,
    actor: actorOf(request),
    ifMatch: request.headers['if-match'],
    trackingId: request.id,
  });
  return { status: endpoint.status, headers: headersOf(result), body: bodyOf(endpoint, result) };
}

function headersOf(result: Answer): Record<string, string> {
  return {
    ...(result.body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    ...(result.revision === undefined ? {} : { etag: entityTag(result.revision) }),
    ...(result.location === undefined ? {} : { location: `${basePath}${result.location}` }),
    ...(result.notInForceAt === undefined ? {} : { [notInForceHeader]: listOf(result.notInForceAt) }),
  };
}

/** Names in a header, which clients take only so long. */
const listedMax = 8;

/** Names as a header may have them. */
function listOf(names: readonly string[]): string {
  const listed = names.slice(0, listedMax).map(encodeURI).join(', ');
  return names.length <= listedMax ? listed : `${listed} and ${names.length - listedMax} more`;
}

/** What the schema does not name is not shown, so that an owner's new field is public only when it is meant to be. */
function bodyOf({ answer }: Endpoint, { body }: Answer): string {
  if (answer === undefined || body === undefined) return '';
  return JSON.stringify(Value.Clean(answer, structuredClone(body)));
}

function actorOf(request: FastifyRequest): ApiKey {
  assert(request.apiKey, 'the request was let in');
  return request.apiKey;
}

function paramsOf(request: FastifyRequest): Record<string, string> {
  return request.params as Record<string, string>;
}

function methodsAt(endpoints: readonly Endpoint[], path: string): string[] {
  const segments = path.split('/');
  return endpoints
    .filter((endpoint) => matches(`${basePath}${endpoint.path}`.split('/'), segments))
    .map((endpoint) => endpoint.method);
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => part.startsWith(':') || part === segments[index])
  );
}
