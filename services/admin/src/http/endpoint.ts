/**
 * An endpoint: one call of the API as data. Its schemas check what comes in, say in OpenAPI what goes out, and type
 * the handler. `server.ts` turns endpoints into routes; nothing here knows of fastify or of the bus.
 */
import type { ApiKey } from '@postern/contracts';
import { Type, type Static, type TObject, type TSchema } from 'typebox';
import { bodyCheck, queryCheck } from './validation.ts';

/** One call, checked and allowed. */
export interface Call<Body = unknown, Query = unknown> {
  readonly params: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly query: Query;
  /** The key that calls. */
  readonly actor: ApiKey;
  readonly ifMatch: string | undefined;
  readonly trackingId: string;
}

/** What a call is answered with. `revision` becomes the ETag, `location` is below `/api/v1`. */
export interface Answer {
  readonly body?: unknown;
  readonly revision?: number;
  readonly location?: string;
  /** Nodes that go on with what was before, for all that is known: they have not said that the change is in force there. */
  readonly notInForceAt?: readonly string[];
  /** The body of a change at nodes, made when it is in force: what they say of it is not known before. */
  readonly whenInForce?: () => Promise<unknown>;
}

/** What every endpoint says of itself. */
interface Description {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, with `:name` for a parameter. */
  readonly path: string;
  /** Unique; generated clients name their methods by it. */
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Whether it heeds `If-Match`. */
  readonly conditional?: true;
  /** Whether it changes what nodes go by: then it is answered when that is in force at those that are up. */
  readonly atNodes?: true;
  /** Whether its body may also be a form with files. */
  readonly multipart?: true;
  /** Whether a key that acl let in within the hour is enough while acl is out of reach. */
  readonly reserve?: true;
  readonly status: 200 | 201 | 204;
  /** What 200 and 201 are answered with. */
  readonly answer?: TSchema;
}

/** An endpoint that the server can run. */
export interface Endpoint extends Description {
  readonly query: TObject;
  readonly body: TSchema | undefined;
  run(call: Call): Promise<Answer>;
}

const noQuery = Type.Object({}, { additionalProperties: false });

/** Declares an endpoint. What does not fit the schemas never reaches the handler. */
export function endpoint<Body extends TSchema = TSchema, Query extends TObject = TObject>(
  definition: Description & {
    readonly body?: Body;
    readonly query?: Query;
    readonly handle: (call: Call<Static<Body>, Static<Query>>) => Promise<Answer>;
  },
): Endpoint {
  const { handle, body, query, ...description } = definition;
  const checkQuery = queryCheck(query ?? (noQuery as unknown as Query));
  const checkBody = body === undefined ? () => undefined as Static<Body> : bodyCheck(body);
  return {
    ...description,
    query: query ?? noQuery,
    body,
    run: (call) => handle({ ...call, query: checkQuery(call.query), body: checkBody(call.body) }),
  };
}

/** The parameters of a path, in its order. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1] ?? '');
}
