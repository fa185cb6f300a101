/**
 * A way to a client, and the choice among them. A front's node knows two sorts: tunnels of its own, and (where the
 * client has none here) other nodes that relay. Both are this interface, so that choosing is one function and a
 * caller never knows which it has.
 *
 * The choice: the node's own tunnels before relays, and relays by nodes that were heard of lately before others; among
 * these the client with fewest live streams, at random among equals; then the best of that client's ways
 * (`isBetterSession`). So a burst spreads evenly over clients, and two nodes that know the same do not march in step.
 */
import type { AccessList } from '@postern/access';
import { type Feature, type Route, featuresLacking } from '@postern/contracts';
import type { CallerCause } from './errors.ts';
import { isBetterSession, type Load, type Stream } from '@postern/tunnel';

/** One way to one client. */
export interface Upstream extends Load {
  /** Tells this way from the others. */
  readonly id: string;
  readonly clientId: string;
  /** The node that passes on, where it is not this node's own tunnel. */
  readonly node?: string;
  /** Whether it takes one more. */
  readonly usable: boolean;
  /** What the client announced that it understands. */
  readonly features: ReadonlySet<string>;
  /** The client's own access list, where it has told one. */
  readonly ownList: AccessList | null;
  /** Opens a stream; throws `TunnelError` when there is no room for one. */
  open(metadata: object): Stream;
}

/**
 * The best way that is not in `tried`, neither by its ID nor by its client's; null when none is left. The first group that
 * has one counts. Clients whose check of the resource passes go before those whose check fails, in whichever group;
 * the latter are tried all the same, since a check may be wrong.
 */
export function pickUpstream(
  groups: Iterable<Iterable<Upstream>>,
  tried: ReadonlySet<string>,
  isWell: (clientId: string) => boolean = () => true,
): Upstream | null {
  let failing: Upstream | null = null;
  for (const upstreams of groups) {
    const picked = pickOf(upstreams, tried, isWell);
    if (picked !== null && isWell(picked.clientId)) return picked;
    failing ??= picked;
  }
  return failing;
}

/** Only the ways to clients that understand all of these. */
export function capable(
  groups: Iterable<Iterable<Upstream>>,
  needs: readonly Feature[],
): Iterable<Iterable<Upstream>> {
  return needs.length === 0 ? groups : capableOf(groups, needs);
}

/** The cause when there is no client to ask: none is connected, or none of those that are understands what it would be told. */
export function noClient(
  { name, gatewayName }: Pick<Route, 'name' | 'gatewayName'>,
  groups: Iterable<Iterable<Upstream>>,
  needs: readonly Feature[],
): CallerCause {
  for (const upstreams of groups) {
    for (const { clientId, features } of upstreams) {
      const lacking = featuresLacking(needs, features);
      if (lacking.length > 0) return outdated(`${clientId}, for ${name},`, lacking);
    }
  }
  const text = `no client of gateway ${gatewayName} is connected`;
  return { code: 'EDGE_NO_CLIENT', text, end: 'edge' };
}

/** The cause when a client is of a version that would do something else than it is asked. */
export function outdated(
  who: string,
  lacking: readonly Feature[],
): CallerCause & { code: 'EDGE_CLIENT_OUTDATED' } {
  const text = `client ${who} is of a version that does not know ${lacking.join(', ')}: update it`;
  return { code: 'EDGE_CLIENT_OUTDATED', text, end: 'client' };
}

function* capableOf(
  groups: Iterable<Iterable<Upstream>>,
  needs: readonly Feature[],
): Iterable<Iterable<Upstream>> {
  for (const upstreams of groups)
    yield [...upstreams].filter(({ features }) => featuresLacking(needs, features).length === 0);
}

function pickOf(
  upstreams: Iterable<Upstream>,
  tried: ReadonlySet<string>,
  isWell: (clientId: string) => boolean,
): Upstream | null {
  const clients = new Map<string, { streams: number; best: Upstream }>();
  for (const upstream of upstreams) {
    if (!upstream.usable || tried.has(upstream.clientId) || tried.has(upstream.id)) continue;
    const client = clients.get(upstream.clientId);
    if (client === undefined)
      clients.set(upstream.clientId, { streams: upstream.streamCount, best: upstream });
    else {
      client.streams += upstream.streamCount;
      if (isBetterSession(upstream, client.best)) client.best = upstream;
    }
  }
  return pickQuietest(clients, isWell) ?? pickQuietest(clients, () => true);
}

function pickQuietest(
  clients: ReadonlyMap<string, { streams: number; best: Upstream }>,
  isWell: (clientId: string) => boolean,
): Upstream | null {
  let picked: { streams: number; best: Upstream } | null = null;
  let equals = 0;
  for (const [clientId, client] of clients) {
    if (!isWell(clientId)) continue;
    if (picked !== null && client.streams > picked.streams) continue;
    equals = picked === null || client.streams < picked.streams ? 1 : equals + 1;
    // The n-th of equals takes the place with a chance of 1 in n: each is as likely, in one pass.
    if (equals === 1 || Math.random() * equals < 1) picked = client;
  }
  return picked?.best ?? null;
}
