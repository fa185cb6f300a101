/**
 * Streams that go through another node: as the caller's node (ways to clients that have no tunnel here, and detours for
 * streams whose tunnel is gone), and as the node in between (where to pass a stream on). A stream passes one relay at
 * most, so each decision here is about one hop.
 *
 *     caller ─► this node ──link──► a node with a tunnel ══► client        upstreams, detour
 *               another node ──link──► this node ══tunnel══► client        onward, to a tunnel of its own
 *               client ══tunnel══► this node ──link──► the caller's node   onward, over a link
 */
import type { AccessList } from '@postern/access';
import type { Policy, TunnelPresence } from '@postern/contracts';
import type { LocatedTunnel } from '@postern/replica';
import {
  type Endpoint,
  type ProcessName,
  type RelayedOpen,
  type Session,
  type Stream,
  isBetterSession,
  linkScope,
} from '@postern/tunnel';
import { ownListOf } from '../access/rulebook.ts';
import { whyInvalid } from '../client/ticket-verifier.ts';
import type { Traces } from '../traces.ts';
import type { Tunnel, Tunnels } from '../client/tunnels.ts';
import type { Upstream } from '../upstream.ts';

/** What relays need of the node. */
export interface RelaysParts {
  endpoint: Endpoint;
  tunnels: Tunnels;
  policy(gatewayId: string): Policy | undefined;
  /** The link to a node, where it takes streams. */
  linkTo(node: string): Session | null;
  /** The gateway's tunnels at other nodes. */
  elsewhere(gatewayId: string): readonly LocatedTunnel[];
  /** Those of one client. */
  clientElsewhere(gatewayId: string, clientId: string): readonly LocatedTunnel[];
  /** Whether a node is to be tried last. */
  isQuiet(node: string): boolean;
}

/** Decides who passes on what to whom. */
export class Relays {
  readonly #parts: RelaysParts;
  #passedOn = 0;

  constructor(parts: RelaysParts) {
    this.#parts = parts;
  }

  /**
   * The ways to a gateway's clients in groups: own tunnels, relays, own tunnels whose client does not answer at present,
   * relays by nodes that were not heard of lately.
   */
  *upstreams(gatewayId: string): Iterable<Iterable<Upstream>> {
    yield answering(this.#parts.tunnels.of(gatewayId));
    const relayed = this.#relayed(gatewayId);
    yield relayed.filter((way) => !this.#parts.isQuiet(way.node));
    yield quiet(this.#parts.tunnels.of(gatewayId));
    yield relayed.filter((way) => this.#parts.isQuiet(way.node));
  }

  /** A link by which a stream can go on whose client has no tunnel here; at random, so that one that fails is not all. */
  detour(stream: Stream): Session | null {
    const { scope, peer } = stream;
    const ways = this.#parts
      .clientElsewhere(scope, peer.id)
      .filter(({ tunnel }) => tunnel.bootId === peer.bootId && this.#isValid(scope, tunnel));
    const heard = ways.filter(({ node }) => !this.#parts.isQuiet(node));
    const links = (heard.length > 0 ? heard : ways).flatMap(({ node }) => this.#parts.linkTo(node) ?? []);
    const answering = links.filter(({ quiet: isQuiet }) => !isQuiet);
    const picked = answering.length > 0 ? answering : links;
    return picked[Math.floor(Math.random() * picked.length)] ?? null;
  }

  /** What the list of a client's own is now, wherever its tunnels end; undefined where it has none any more. */
  ownList(gatewayId: string, client: ProcessName): AccessList | null | undefined {
    const isIt = ({ bootId }: { bootId: string }): boolean => bootId === client.bootId;
    const here = this.#parts.tunnels.ofClient(gatewayId, client.id).find(isIt);
    if (here !== undefined) return here.ownList;
    const there = this.#parts.clientElsewhere(gatewayId, client.id).find(({ tunnel }) => isIt(tunnel));
    return there === undefined ? undefined : ownListOf(there.tunnel.ownRules);
  }

  /** Where to pass on a stream that came over `session` and is for another process. */
  onward(session: Session, scope: string, to: ProcessName): Session | 'restarted' | null {
    const target = this.#onward(session, scope, to);
    if (target !== null && target !== 'restarted') this.#passedOn += 1;
    return target;
  }

  /** How many streams were passed on, resumed ones each time. */
  get passedOn(): number {
    return this.#passedOn;
  }

  #onward(session: Session, scope: string, to: ProcessName): Session | 'restarted' | null {
    if (session.peer.scope === linkScope) return this.tunnelOf(scope, to)?.session ?? null;
    const link = this.#parts.linkTo(to.id);
    return link === null || link.peer.bootId === to.bootId ? link : 'restarted';
  }

  /** Whether a client has a tunnel at another node that may serve it. */
  hasValidElsewhere(gatewayId: string, { id, bootId }: ProcessName): boolean {
    return this.#parts
      .clientElsewhere(gatewayId, id)
      .some(
        ({ node, tunnel }) =>
          tunnel.bootId === bootId && this.#isValid(gatewayId, tunnel) && this.#parts.linkTo(node) !== null,
      );
  }

  /** The clients of a gateway that have tunnels at other nodes. */
  clientsElsewhere(gatewayId: string): Iterable<string> {
    return new Set(this.#parts.elsewhere(gatewayId).map(({ tunnel }) => tunnel.clientId));
  }

  /** By which tokens a client's tunnels are up, here and at other nodes. */
  tokensOf(gatewayId: string, clientId: string): (string | null)[] {
    const here = this.#parts.tunnels.ofClient(gatewayId, clientId);
    const there = this.#parts.clientElsewhere(gatewayId, clientId).map(({ tunnel }) => tunnel);
    return [...here, ...there].map(({ tokenId }) => tokenId);
  }

  /** One for each client and node. */
  #relayed(gatewayId: string): RelayUpstream[] {
    const ways = new Map<string, RelayUpstream>();
    for (const { node, tunnel } of this.#parts.elsewhere(gatewayId)) {
      const link = this.#parts.linkTo(node);
      if (link === null || !this.#isValid(gatewayId, tunnel)) continue;
      const way = new RelayUpstream(this.#parts.endpoint, link, tunnel);
      ways.set(way.id, way);
    }
    return [...ways.values()];
  }

  /** This node's best tunnel to a client, of those that may serve it and take streams. */
  tunnelOf(gatewayId: string, client: ProcessName): Tunnel | null {
    let best: Tunnel | null = null;
    for (const tunnel of this.#parts.tunnels.ofClient(gatewayId, client.id)) {
      if (!tunnel.usable || tunnel.bootId !== client.bootId) continue;
      if (!this.#isValid(gatewayId, tunnel)) continue;
      if (isBetterSession(tunnel.session, best?.session ?? null)) best = tunnel;
    }
    return best;
  }

  #isValid(gatewayId: string, { tokenId }: Pick<TunnelPresence, 'tokenId'>): boolean {
    return whyInvalid(this.#parts.policy(gatewayId), tokenId) === null;
  }
}

function* answering(tunnels: Iterable<Tunnel>): Iterable<Tunnel> {
  for (const tunnel of tunnels) if (!tunnel.quiet) yield tunnel;
}

function* quiet(tunnels: Iterable<Tunnel>): Iterable<Tunnel> {
  for (const tunnel of tunnels) if (tunnel.quiet) yield tunnel;
}

/** A way to a client by way of another node. */
class RelayUpstream implements Upstream {
  readonly id: string;
  readonly node: string;
  readonly clientId: string;
  readonly #endpoint: Endpoint;
  readonly #link: Session;
  readonly #tunnel: TunnelPresence;

  constructor(endpoint: Endpoint, link: Session, tunnel: TunnelPresence) {
    this.#endpoint = endpoint;
    this.#link = link;
    this.#tunnel = tunnel;
    this.node = link.peer.id;
    this.clientId = tunnel.clientId;
    this.id = `${this.node}/${tunnel.clientId}/${tunnel.bootId}`;
  }

  /** Those of this node's callers; what the client carries for others is not known here. */
  get streamCount(): number {
    return this.#endpoint.streamCountOf(this.#tunnel.gatewayId, this.clientId);
  }

  /** As the client's node told them; a node of a version before it told any knows of none. */
  get features(): ReadonlySet<string> {
    return knownFeaturesOf(this.#tunnel);
  }

  get usable(): boolean {
    return this.#link.usable;
  }

  get quiet(): boolean {
    return this.#link.quiet;
  }

  get ownList(): AccessList | null {
    return ownListOf(this.#tunnel.ownRules);
  }

  open(metadata: object): Stream {
    const { gatewayId, clientId, bootId } = this.#tunnel;
    return this.#endpoint.open(this.#link, metadata, { id: clientId, bootId }, gatewayId);
  }
}

/** The span of a stream that is passed on, and its metadata with that span in place of the former. */
export function tracedRelay(traces: Traces, metadata: unknown, to: ProcessName): RelayedOpen | null {
  const span = traces.startRelay(metadata, to.id);
  if (span === null) return null;
  return {
    metadata: { ...(metadata as object), traceparent: span.context.traceparent },
    onAnswer: (refusal) => span.end(refusal === null ? null : { type: refusal, message: refusal }),
  };
}

const knownSets = new WeakMap<TunnelPresence, ReadonlySet<string>>();

/** Announced features are read once, not for each caller. */
function knownFeaturesOf(tunnel: TunnelPresence): ReadonlySet<string> {
  const known = knownSets.get(tunnel);
  if (known !== undefined) return known;
  const features = new Set(tunnel.features);
  knownSets.set(tunnel, features);
  return features;
}
