/**
 * What the API says of itself: the OpenAPI 3.1 schemas of an endpoint's route, and the finishing of the whole
 * document. Schemas that have a `title` become components that are referred to by it, so that generated clients
 * get names instead of copies.
 */
import type { FastifySchema } from 'fastify';
import { pathParameters, type Endpoint } from './endpoint.ts';
import { Problem } from './problem.ts';

/** The part of the URL that all calls share. */
export const basePath = '/api/v1';

/**
 * Names the nodes at which a change is not known to be in force, `*` where it is not known which there are; missing where it
 * is at all.
 */
export const notInForceHeader = 'postern-not-in-force-at';

/** Facts about the API as a whole. */
export function apiInformation(version: string): {
  openapi: string;
  info: { title: string; version: string; description: string };
  servers: { url: string }[];
  security: Record<string, string[]>[];
  components: { securitySchemes: { apiKey: { type: 'http'; scheme: 'bearer' } } };
} {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Postern admin API',
      version,
      description:
        'Everything of the platform can be seen and changed here. Errors are problem+json with a code; a change ' +
        'may name the ETag it expects in If-Match; a POST may be repeated safely with an Idempotency-Key. A change of ' +
        'gateways, destinations, rules, tokens and certificates is answered when it is in force at every node that is up; ' +
        `nodes that have not said so, which go on with what was before if they run, are named in ${notInForceHeader} ("*" where it is not known which there are).`,
    },
    servers: [{ url: basePath }],
    security: [{ apiKey: [] }],
    components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
  };
}

const descriptions = { 200: 'As it is now.', 201: 'Made.', 204: 'Done.' } as const;

/** How the route of an endpoint is described. */
export function routeSchema(endpoint: Endpoint): FastifySchema {
  const { operationId, tag, summary, description, body, query, status, answer, path } = endpoint;
  const headers = headersOf(endpoint);
  const parameters = pathParameters(path);
  const mediaTypes = mediaTypesOf(endpoint);
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(mediaTypes.length === 1 ? {} : { consumes: mediaTypes }),
    ...(parameters.length === 0 ? {} : { params: parameterSchema(parameters) }),
    ...(Object.keys(query.properties).length === 0 ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(headers === null ? {} : { headers }),
    response: {
      [status]:
        answer === undefined
          ? { type: 'null', description: 'Done; there is nothing to show.' }
          : { description: descriptions[status], content: { 'application/json': { schema: answer } } },
      default: {
        description: 'What went wrong.',
        content: { 'application/problem+json': { schema: Problem } },
      },
    },
  };
}

function mediaTypesOf({ method, multipart }: Endpoint): string[] {
  return [
    ...(method === 'PATCH' ? ['application/merge-patch+json'] : []),
    'application/json',
    ...(multipart === true ? ['multipart/form-data'] : []),
  ];
}

/** Moves every schema with a title to the components; two different ones of one title are a bug. */
export function hoistTitled<Document extends object>(document: Document): Document {
  const schemas = new Map<string, unknown>();
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk);
    if (!isObject(node)) return node;
    const copy = Object.fromEntries(Object.entries(node).map(([name, value]) => [name, walk(value)]));
    if (typeof node['title'] !== 'string' || !isSchema(node)) return copy;
    const known = schemas.get(node['title']);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(copy)) {
      throw new Error(`two schemas have the title ${node['title']}`);
    }
    schemas.set(node['title'], copy);
    return { $ref: `#/components/schemas/${node['title']}` };
  };
  const result = walk(document) as Document & { components?: { schemas?: object } };
  const sorted = Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...result, components: { ...result.components, schemas: sorted } };
}

function parameterSchema(names: readonly string[]): object {
  const one = { type: 'string', minLength: 1, maxLength: 100 };
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, one])),
    required: names,
  };
}

function headersOf({ method, conditional }: Endpoint): object | null {
  const properties: Record<string, object> = {};
  if (method === 'POST') {
    properties['Idempotency-Key'] = {
      type: 'string',
      minLength: 1,
      maxLength: 255,
      description: 'The same key gives the same answer for a day; the work is done once.',
    };
  }
  if (conditional === true) {
    properties['If-Match'] = { type: 'string', description: 'The ETag that the object must still have.' };
  }
  return Object.keys(properties).length === 0 ? null : { type: 'object', properties };
}

/** Not `info`, which has a title too. */
function isSchema(node: Record<string, unknown>): boolean {
  return 'type' in node || 'anyOf' in node;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
