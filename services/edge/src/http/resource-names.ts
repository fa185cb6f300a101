/** How a destination's resource is called in HTTP, and by what connections to it are told apart. */
import type { Route } from '@postern/contracts';
import { type AnswerNames, type CallerFacts, authorityOf } from '@postern/http';

/** The contents of certificates and passwords, as certstore has them. */
export interface Revisions {
  /** Another with each change. */
  readonly changes: number;
  revision(id: string): number | undefined;
}

interface Known {
  key: string;
  /** Of which `changes` the key is. */
  keyOf: number;
  scheme: 'http' | 'https';
  authority: string;
}

const known = new WeakMap<Route, Known>();

/** The names of both ends for one request. */
export function namesOf(route: Route, caller: CallerFacts): AnswerNames {
  const { scheme, authority } = knownOf(route);
  // HTTP/1.0 need not say whom it calls.
  const own = route.front === undefined ? '' : authorityOf(route.front.host, route.front.port, caller.scheme);
  const front = caller.authority === '' ? own : caller.authority;
  return { resource: authority, resourceScheme: scheme, front, frontScheme: caller.scheme };
}

/**
 * All that says how the resource is reached, as one text: connections are shared only where it is the same. Contents that
 * were replaced under the same ID make it another.
 */
export function resourceKeyOf(route: Route, revisions: Revisions): string {
  const found = knownOf(route);
  if (found.keyOf !== revisions.changes) {
    found.keyOf = revisions.changes;
    found.key = keyOf(route, revisions);
  }
  return found.key;
}

function keyOf({ resource }: Route, revisions: Revisions): string {
  const { tls, proxy } = resource;
  const ids = [...tls.caCertificateIds, tls.clientCertificateId, proxy?.passwordId ?? null];
  const contents = ids.filter((id) => id !== null).map((id) => `@${revisions.revision(id) ?? 0}`);
  return JSON.stringify(resource) + contents.join('');
}

function knownOf(route: Route): Known {
  const found = known.get(route);
  if (found !== undefined) return found;
  const { host, port, tls } = route.resource;
  const scheme = tls.mode === 'none' ? 'http' : 'https';
  const name = scheme === 'https' ? (tls.serverName ?? host) : host;
  const fresh: Known = {
    key: '',
    keyOf: -1,
    scheme,
    authority: authorityOf(name, port, scheme),
  };
  known.set(route, fresh);
  return fresh;
}
