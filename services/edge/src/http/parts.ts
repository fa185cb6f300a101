/** What HTTP needs of the node, and how a destination's resource is called in HTTP. */
import type { Policy, Route } from '@postern/contracts';
import { type AnswerNames, type CallerFacts, authorityOf } from '@postern/http';
import type { Compression } from '@postern/tunnel';
import type { CallerCause } from '../errors.ts';
import type { Upstream } from '../upstream.ts';
import type { HttpBounds } from './bounds.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { Exchange } from './exchange.ts';

/** What exchanges need of the node. */
export interface HttpParts {
  bounds: HttpBounds;
  pool: ConnectionPool;
  compression: Compression;
  policy(gatewayId: string): Policy | undefined;
  upstreams(gatewayId: string): Iterable<Iterable<Upstream>>;
  /** Whether the client has found the resource well, or does not check it. */
  isWell(clientId: string, destinationId: string): boolean;
  /** Why no further request may wait for a client; null when it may. */
  whyFull(): CallerCause | null;
  statusOf(cause: CallerCause): number;
  onStart(exchange: Exchange): void;
  /** A client has taken the request; `fresh`: over a new stream. */
  onOpened(exchange: Exchange, fresh: boolean): void;
  onOver(exchange: Exchange, cause: CallerCause | null): void;
}

/** Who is called what. */
export type ResourceNames = AnswerNames;

interface Known {
  key: string;
  scheme: 'http' | 'https';
  authority: string;
}

const known = new WeakMap<Route, Known>();

/** The names of both ends for one request. */
export function namesOf(route: Route, caller: CallerFacts): ResourceNames {
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
