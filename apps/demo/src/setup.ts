/**
 * What an operator would set up, over the admin API: a gateway, its access list, a token for its client, and one
 * destination for each resource. A folder that was used before has most of it already; then it is brought up to date,
 * and fronts keep their ports.
 */
import type { Api } from '@postern/cli';
import { DemoError } from './errors.ts';
import { type Exposed, nameOf } from './exposed.ts';

const gatewayName = 'demo';
const frontWithinMs = 15_000;
const pollMs = 25;

/** A resource with the front at which it is reached. */
export interface Reached {
  /** What people read: `sample`, or its address. */
  readonly title: string;
  readonly resource: Exposed;
  readonly front: Exposed;
  /** Null for the sample application. */
  readonly exposed: Exposed | null;
}

/** A resource that is to be reached. */
export type Wanted = Omit<Reached, 'front'>;

/** What was set up. */
export interface Setup {
  readonly gatewayId: string;
  readonly token: string;
  readonly reached: readonly Reached[];
}

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Destination extends Named {
  readonly front: Exposed;
}

/** Sets everything up and waits until each front listens. */
export async function setUp(api: Api, wanted: readonly Wanted[], signal: AbortSignal): Promise<Setup> {
  const gateways = (await api.list('/gateways')) as Named[];
  const gateway =
    gateways.find(({ name }) => name === gatewayName) ??
    ((await api.call('POST', '/gateways', { name: gatewayName })) as Named);
  const path = `/gateways/${gateway.id}`;
  const rules = wanted.map(({ resource: { host, port } }) => ({ action: 'allow', host, port: String(port) }));
  await api.call('PUT', `${path}/access-list`, { rules });
  const token = await replaceToken(api, path);
  const known = (await api.list(`${path}/destinations`)) as Destination[];
  const reached: Reached[] = [];
  for (const one of wanted) {
    const { front } = await putDestination(api, path, known, one);
    reached.push({ ...one, front: { host: front.host, port: front.port } });
  }
  await untilListening(api, reached, signal);
  return { gatewayId: gateway.id, token, reached };
}

/** Tokens are shown once, so each start makes its own and revokes those before. */
async function replaceToken(api: Api, path: string): Promise<string> {
  const former = (await api.list(`${path}/tokens`)) as { id: string }[];
  const { token } = (await api.call('POST', `${path}/tokens`, { note: 'demo', expiresInDays: 30 })) as {
    token: string;
  };
  for (const { id } of former) await api.call('DELETE', `${path}/tokens/${id}`);
  return token;
}

async function putDestination(
  api: Api,
  path: string,
  known: readonly Destination[],
  { exposed, resource: { host, port } }: Wanted,
): Promise<Destination> {
  const name = exposed === null ? 'sample' : nameOf(exposed);
  const body = { name, resource: { host, port } };
  const found = known.find((one) => one.name === name);
  const destination =
    found === undefined
      ? await api.call('POST', `${path}/destinations`, body)
      : await api.call('PATCH', `${path}/destinations/${found.id}`, body);
  return destination as Destination;
}

/** A new front listens within milliseconds, unless another program has its port. */
async function untilListening(api: Api, reached: readonly Reached[], signal: AbortSignal): Promise<void> {
  const until = Date.now() + frontWithinMs;
  for (;;) {
    const fronts = (await api.list('/fronts')) as (Exposed & {
      listening: { listening: boolean; error: string | null }[];
    })[];
    const silent = reached
      .map(({ front }) => fronts.find(({ port }) => port === front.port))
      .find((front) => front?.listening.some(({ listening }) => listening) !== true);
    if (silent === undefined) return;
    const cause = silent.listening.find(({ error }) => error !== null)?.error;
    if (cause !== undefined || Date.now() > until) {
      throw new DemoError(
        'DEMO_FRONT_SILENT',
        `the front on port ${silent.port} does not listen: ${cause ?? 'no answer'}`,
      );
    }
    await pause(signal);
  }
}

function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve) => setTimeout(resolve, pollMs));
}
