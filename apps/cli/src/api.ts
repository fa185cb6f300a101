/** The admin API as the commands call it: one request at a time, lists fetched whole, refusals as `ApiError`. */
import { Agent } from 'node:https';
import { pageItemsMax } from '@postern/contracts';
import { type Answer, sendRequest } from '@postern/request';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Context } from './context.ts';
import { plainText } from './plain-text.ts';
import { ApiError, CliError, isBusy, problemOf } from './errors.ts';

const answerWithinMs = 30_000;
const answerLengthMax = 64 * 1024 * 1024;

/** What the commands need of it. */
export interface Api {
  /** The body of the answer; null where it has none. `revision` is the one that the object must still have. */
  call(method: string, path: string, body?: unknown, revision?: number): Promise<unknown>;
  /** All items of a list. */
  list(path: string): Promise<unknown[]>;
}

/** The API of that platform; `tell` says what the operator is to know beside the answer. */
export function createApi(context: Context, tell: (line: string) => void = () => {}): Api {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
  const call: Api['call'] = async (method, path, body, revision) => {
    const { status, headers, text } = await send(context, agent, { method, path, body, revision });
    const nodes = headers['postern-not-in-force-at'];
    if (typeof nodes === 'string') tell(notInForce(nodes));
    if (status === 204) return null;
    const answer = parse(text);
    if (status < 200 || status >= 300) throw refusalOf(context, status, answer);
    if (isObject(answer)) return answer;
    throw new CliError('CLI_ANSWER_INVALID', 'the answer is no JSON object: is this the admin API?');
  };
  const list: Api['list'] = async (path) => {
    const items: unknown[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = pageOf(await call('GET', `${path}?limit=${pageItemsMax}${query}`));
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return items;
  };
  return { call, list };
}

/**
 * The answer, as far as the command reads it. Throws `CLI_ANSWER_INVALID` where it is otherwise, as that of another version
 * may be.
 */
export function shaped<Shape extends TSchema>(shape: Shape, answer: unknown): Static<Shape> {
  if (Value.Check(shape, answer)) return answer;
  const [error] = Value.Errors(shape, answer);
  const where = `${error?.instancePath ?? ''} ${error?.message ?? ''}`.trim();
  throw new CliError(
    'CLI_ANSWER_INVALID',
    `the answer is not what this version understands (${where}): is this the admin API, and as old as this program?`,
  );
}

/** What stands before the API, a balancer say, answers with no problem of the API's. */
function refusalOf({ url }: Context, status: number, answer: unknown): Error {
  const problem = problemOf(status, answer);
  if (problem !== null) return new ApiError(problem);
  return isBusy(status)
    ? new CliError('CLI_UNREACHABLE', `${url.origin} answered ${status}, and not from the admin API`)
    : new CliError('CLI_ANSWER_INVALID', `${url.origin} answered ${status} as the admin API does not`);
}

function notInForce(nodes: string): string {
  const where = nodes === '*' ? 'any node' : plainText(nodes);
  return `postern: it is done, but not known to be in force at ${where}: a node that runs and is cut off goes on with what was before`;
}

function pageOf(answer: unknown): { items: unknown[]; nextCursor: string | null } {
  const { items, nextCursor = null } = (answer ?? {}) as Record<string, unknown>;
  if (Array.isArray(items) && (nextCursor === null || typeof nextCursor === 'string'))
    return { items, nextCursor };
  throw new CliError('CLI_ANSWER_INVALID', 'the answer is no list: is this the admin API?');
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined where it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

interface Call {
  method: string;
  path: string;
  body: unknown;
  revision: number | undefined;
}

/** What only reads goes over a connection that is kept; nothing else may be sent twice, so it has a connection of its own. */
function send({ url, apiKey, caPem }: Context, kept: Agent, call: Call): Promise<Answer> {
  const { method, path, body, revision } = call;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return sendRequest(new URL(`/api/v1${path}`, url), {
    method,
    agent: method === 'GET' ? kept : false,
    signal: AbortSignal.timeout(answerWithinMs),
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(revision === undefined ? {} : { 'if-match': `"${revision}"` }),
      ...(text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
    },
    ca: caPem ?? undefined,
    body: text,
    answerLengthMax,
  }).catch((error: Error) => {
    throw new CliError('CLI_UNREACHABLE', `${url.origin}: ${reasonOf(error)}`, { cause: error });
  });
}

/** Several addresses that all refuse come as one error without words of its own; Node's advice is for who runs Node. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((one: Error) => one.message).join(', ');
  return error.message.replace(/; if the root CA is installed locally.*$/, '');
}
