/** How a destination's resource is called in HTTP, and by what connections to it are told apart. */
import type { Route } from '@postern/contracts';
import { type AnswerNames, type CallerFacts, authorityOf } from '@postern/http';

interface Known {
  key: string;
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

/** All that says how the resource is reached, as one text: connections are shared only where it is the same. */
export function resourceKeyOf(route: Route): string {
  return knownOf(route).key;
}

function knownOf(route: Route): Known {
  const found = known.get(route);
  if (found !== undefined) return found;
  const { host, port, tls } = route.resource;
  const scheme = tls.mode === 'none' ? 'http' : 'https';
  const name = scheme === 'https' ? (tls.serverName ?? host) : host;
  const fresh: Known = {
    key: JSON.stringify(route.resource),
    scheme,
    authority: authorityOf(name, port, scheme),
  };
  known.set(route, fresh);
  return fresh;
}
