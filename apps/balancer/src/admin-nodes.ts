/** The nodes as the admin API lists them: `GET /nodes`, over HTTPS, with a bounded answer and a deadline. */
import { readFileSync } from 'node:fs';
import type { Secret } from '@postern/config';
import { type Answer, sendRequest } from '@postern/request';
import { Compile } from 'typebox/compile';
import { Type } from 'typebox';
import { BalancerError } from './errors.ts';

/** Where the admin API is and how to enter. */
export interface AdminPlace {
  readonly url: string;
  readonly key: Secret;
  readonly caFile?: string | undefined;
}

/** As many as a platform has; those of one machine are its workers, and of machines there are fewer (node-list.ts). */
const namesMax = 1_024;
const answerLengthMax = 1024 * 1024;
const answerWithinMs = 5_000;

const nodesCheck = Compile(
  Type.Object({
    items: Type.Array(Type.Object({ name: Type.String(), heard: Type.Boolean() }), { maxItems: namesMax }),
  }),
);

/**
 * The names of all nodes that are not forgotten. A node that is silent or drains is among them: haproxy sees for itself
 * whether it takes connections. Rejects with `BALANCER_ADMIN_UNREACHABLE` or `BALANCER_ADMIN_REFUSED`.
 */
export async function fetchNodeNames(place: AdminPlace, signal: AbortSignal): Promise<string[]> {
  const { status, text } = await get(place, signal);
  return nodeNames(status, text);
}

/** The names in the answer; throws `BALANCER_ADMIN_REFUSED` where it is no list. */
export function nodeNames(status: number, text: string): string[] {
  if (status !== 200) {
    throw new BalancerError(
      'BALANCER_ADMIN_REFUSED',
      `the admin API answered ${status} to the question for nodes`,
    );
  }
  const body: unknown = parse(text);
  if (!nodesCheck.Check(body)) {
    throw new BalancerError(
      'BALANCER_ADMIN_REFUSED',
      'the answer is no list of nodes: is this the admin API?',
    );
  }
  return body.items.map(({ name }) => name);
}

async function get(place: AdminPlace, signal: AbortSignal): Promise<Answer> {
  try {
    return await sendRequest(new URL('/api/v1/nodes', place.url), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
      // Files are read each time, so that replaced ones are taken.
      headers: { authorization: `Bearer ${place.key.current()}` },
      ca: place.caFile === undefined ? undefined : readFileSync(place.caFile),
      answerLengthMax,
    });
  } catch (cause) {
    throw new BalancerError('BALANCER_ADMIN_UNREACHABLE', `no answer from ${place.url}`, { cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
