/**
 * Which cloud destinations each gateway has, and what its clients have been told of them. A client listens for those that
 * are enabled; it is told all of them when its tunnel comes up and whenever they are others, with the position of the
 * routes, so that of what nodes say the newest counts. It answers with that revision and how its listeners are.
 *
 *     routes ──► tell ──revision, list──► client ──revision, states──► setStates ──► followed
 */
import type {
  CloudDestination,
  CloudListenerState,
  CloudListenerTls,
  Control,
  Route,
} from '@postern/contracts';
import { cloudDestinationsMax, featuresLacking, featuresToListen, toldTextMax } from '@postern/contracts';
import type { Session } from '@postern/tunnel';
import type { Tunnel } from '../client/tunnels.ts';
import { outdated } from '../upstream.ts';

/** As JSON. With 64 of the longest destinations the list fits a frame. */
const nameBytesMax = 64;
/** How long a client may take to follow before nobody waits for it: a distant one, or one whose tunnel is dead. */
const followMs = 500;

/** What a client was told last. */
interface Told {
  readonly text: string;
  readonly revision: number;
  readonly ids: readonly string[];
}

/** What the book needs of the node. */
export interface CloudBookParts {
  tunnels(gatewayId: string): Iterable<Tunnel>;
  /** How far the routes are that this node has. */
  position(): { readonly epoch: string; readonly revision: number };
}

/** Cloud destinations by gateway. */
export class CloudBook {
  readonly #parts: CloudBookParts;
  readonly #byGateway = new Map<string, Map<string, Route>>();
  /** Gateways whose clients are to be told. */
  readonly #changed = new Set<string>();
  readonly #told = new WeakMap<Tunnel, Told>();
  /** Those that do not follow yet what they were told, with their gateways. */
  readonly #behind = new Map<Session, string>();
  readonly #waiting = new Set<() => void>();
  readonly #states = new WeakMap<Tunnel, readonly CloudListenerState[]>();
  /** What a client was not told, and why. */
  readonly #withheld = new WeakMap<Tunnel, readonly CloudListenerState[]>();

  constructor(parts: CloudBookParts) {
    this.#parts = parts;
  }

  /** A destination is new, has changed, or is gone; clients are told by `tellAll`, of several that change together once. */
  apply(id: string, gatewayId: string, route: Route | undefined): void {
    const known = this.#byGateway.get(gatewayId);
    if (route?.kind === 'cloud') {
      if (known === undefined) this.#byGateway.set(gatewayId, new Map([[id, route]]));
      else known.set(id, route);
    } else if (known?.delete(id) !== true) return;
    else if (known.size === 0) this.#byGateway.delete(gatewayId);
    this.#changed.add(gatewayId);
  }

  /** Tells a gateway's clients what there is, if that is other than before. */
  tellAll(gatewayId: string): void {
    if (!this.#changed.delete(gatewayId)) return;
    const list = this.#listOf(gatewayId);
    for (const tunnel of this.#parts.tunnels(gatewayId)) this.tell(tunnel, list);
  }

  /**
   * Tells a client what there is, unless it has been told the same. What it would listen for in another way than it is asked
   * (plainly, where TLS is wanted) it is not told.
   */
  tell(tunnel: Tunnel, list: readonly CloudDestination[] = this.#listOf(tunnel.gatewayId)): void {
    const withheld: CloudListenerState[] = [];
    const destinations = list.filter((destination) => {
      const lacking = featuresLacking(featuresToListen(destination), tunnel.features);
      if (lacking.length === 0) return true;
      const { code, text } = outdated(tunnel.clientId, lacking);
      withheld.push({
        destinationId: destination.id,
        listening: false,
        error: `${code}: ${text}`,
      });
      return false;
    });
    this.#withheld.set(tunnel, withheld);
    const text = JSON.stringify(destinations);
    if (this.#told.get(tunnel)?.text === text) return;
    const { epoch, revision } = this.#parts.position();
    this.#told.set(tunnel, { text, revision, ids: destinations.map(({ id }) => id) });
    this.#behind.set(tunnel.session, tunnel.gatewayId);
    const body: Control = { kind: 'cloudDestinations', epoch, revision, destinations };
    tunnel.session.sendControl(body);
  }

  /** Resolves when each client of a gateway (undefined: of all) listens as it was told, or has said why it cannot; not later than after half a second. */
  async followed(of: string | null | undefined): Promise<void> {
    // By a tunnel that is being given up a client says nothing any more.
    for (const session of this.#behind.keys()) if (!session.usable) this.#behind.delete(session);
    const isFollowed = (): boolean =>
      of === undefined
        ? this.#behind.size === 0
        : !this.#behind.values().some((gatewayId) => gatewayId === of);
    if (isFollowed()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (isFollowed()) resolve();
    };
    this.#waiting.add(look);
    const timer = setTimeout(resolve, followMs);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(look);
  }

  /** Every cloud destination that this node knows. */
  *routes(): Iterable<Route> {
    for (const routes of this.#byGateway.values()) yield* routes.values();
  }

  /** A client says for which it listens. Former ones do not say by which revision: what they say next is taken for the answer. */
  setStates(tunnel: Tunnel, states: readonly CloudListenerState[], revision = Infinity): void {
    this.#states.set(tunnel, this.#keptOf(tunnel, states));
    const told = this.#told.get(tunnel);
    if (told === undefined || revision < told.revision || !told.ids.every((id) => isSettled(id, states)))
      return;
    this.forget(tunnel.session);
  }

  /** A session follows, or has closed. */
  forget(session: Session): void {
    if (this.#behind.delete(session)) for (const look of this.#waiting) look();
  }

  /** For which destinations the client at the other end of a tunnel listens. */
  statesOf(tunnel: Tunnel): readonly CloudListenerState[] {
    return [...(this.#states.get(tunnel) ?? []), ...(this.#withheld.get(tunnel) ?? []).map(shortened)].slice(
      0,
      cloudDestinationsMax,
    );
  }

  /** Any of thousands of clients may fill its frame. Cloned, because what is cut holds the whole text. */
  #keptOf({ gatewayId }: Tunnel, states: readonly CloudListenerState[]): CloudListenerState[] {
    const known = this.#byGateway.get(gatewayId);
    const kept = new Map(states.map((state) => [state.destinationId, state]));
    return structuredClone(
      [...kept.values()].filter(({ destinationId }) => known?.has(destinationId)).map(shortened),
    );
  }

  #listOf(gatewayId: string): CloudDestination[] {
    const routes = [...(this.#byGateway.get(gatewayId)?.values() ?? [])];
    return routes
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .flatMap(listed)
      .slice(0, cloudDestinationsMax);
  }
}

/** As much as is told of it: clients say what they want. */
function shortened({ error, lastRefusal, ...state }: CloudListenerState): CloudListenerState {
  const shown = { ...state, error: error?.slice(0, toldTextMax.listener) ?? null };
  if (lastRefusal === undefined) return shown;
  const { text, ...last } = lastRefusal;
  return { ...shown, lastRefusal: { ...last, text: text.slice(0, toldTextMax.refusal) } };
}

function isSettled(id: string, states: readonly CloudListenerState[]): boolean {
  const state = states.find(({ destinationId }) => destinationId === id);
  return state !== undefined && (state.listening || state.error !== null);
}

function listed({ id, name, enabled, clientPort, listener, resource }: Route): CloudDestination[] {
  if (!enabled || clientPort === undefined) return [];
  const { host, port, protocol, idleTimeoutSeconds, compress } = resource;
  const shortName = cutText(name, nameBytesMax);
  return [
    {
      id,
      name: shortName,
      protocol,
      clientPort,
      host,
      port,
      idleTimeoutSeconds,
      ...(compress ? { compress } : {}),
      ...(protocol === 'http' ? { http: calledIn(resource) } : {}),
      ...tlsOf(listener),
    },
  ];
}

function cutText(text: string, bytesMax: number): string {
  let cut = text.slice(0, bytesMax);
  while (Buffer.byteLength(JSON.stringify(cut)) > bytesMax + 2) cut = cut.slice(0, -1);
  return cut;
}

/** As fronts call their resources (http/resource-names.ts). */
function calledIn({ host, tls }: Route['resource']): NonNullable<CloudDestination['http']> {
  const secure = tls.mode !== 'none';
  return { host: secure ? (tls.serverName ?? host) : host, secure };
}

function tlsOf(listener: Route['listener']): { tls?: CloudListenerTls } {
  const { certificateId = null, clientCaIds = [] } = listener?.tls ?? {};
  return certificateId === null ? {} : { tls: { certificateId, clientCaIds } };
}
