/**
 * The tunnels that end at this node, by gateway and by client. The session under a tunnel is libs/tunnel's; what is here is who is at
 * the other end, by which token, and what the client said of itself.
 */
import type { AccessList } from '@postern/access';
import {
  type AccessRule,
  type ClientFacts,
  type ClientPublicKey,
  Control,
  type TunnelPresence,
} from '@postern/contracts';
import { OwnLists } from '@postern/replica';
import { setNewest } from '@postern/share';
import { LineLimit, type Logger } from '@postern/telemetry';
import {
  type Endpoint,
  GoAwayCode,
  Multimap,
  type Session,
  type Stream,
  type TunnelError,
} from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import type { EdgeError } from '../errors.ts';
import { countsOfRows } from '../gateway-totals.ts';
import { ownListOf } from '../access/rulebook.ts';
import { Portions } from './portions.ts';
import type { VerifiedClient } from './ticket-verifier.ts';
import type { Upstream } from '../upstream.ts';

const noFeatures: ReadonlySet<string> = new Set();

/** One tunnel: a way to its client. */
export class Tunnel implements Upstream {
  readonly id: string;
  readonly session: Session;
  readonly gatewayId: string;
  readonly clientId: string;
  readonly bootId: string;
  readonly tokenId: string | null;
  readonly publicKey: ClientPublicKey;
  readonly facts: ClientFacts;
  /** Which version of the gateway's list the client has been sent. */
  accessListSent: { readonly epoch: string; readonly revision: number };
  /** What is kept of the list. */
  #heldRules: AccessRule[] | null = null;
  readonly #endpoint: Endpoint;
  #ownRules: readonly AccessRule[] | null;

  constructor(endpoint: Endpoint, session: Session, id: string, client: VerifiedClient) {
    this.#endpoint = endpoint;
    this.session = session;
    this.id = id;
    this.gatewayId = client.gatewayId;
    this.clientId = client.clientId;
    this.bootId = client.hello.bootId;
    this.tokenId = client.tokenId;
    this.publicKey = client.publicKey;
    this.facts = client.hello.facts;
    this.accessListSent = { epoch: client.epoch, revision: client.policy.accessListRevision };
    this.#ownRules = client.hello.ownRules;
  }

  get streamCount(): number {
    return this.session.streamCount;
  }

  get features(): ReadonlySet<string> {
    return this.session.peer.features ?? noFeatures;
  }

  get usable(): boolean {
    return this.session.usable;
  }

  /** Whether its client does not answer at present: it is tried last. */
  get quiet(): boolean {
    return this.session.quiet;
  }

  get ownList(): AccessList | null {
    return ownListOf(this.#ownRules);
  }

  open(metadata: object): Stream {
    return this.#endpoint.open(this.session, metadata);
  }

  /** How many rules are announced with it. */
  get ruleCount(): number {
    return this.#heldRules?.length ?? 0;
  }

  /** The client has changed its own list, as often as it likes: what is costly waits until somebody asks. */
  setOwnRules(rules: readonly AccessRule[] | null): void {
    this.#ownRules = rules;
  }

  /** Has its list kept among those of all tunnels, as it is now. */
  holdList(lists: OwnLists): void {
    const held = lists.hold(this.gatewayId, this.#ownRules);
    lists.release(this.gatewayId, this.#heldRules);
    this.#heldRules = held;
    this.setOwnRules(held);
  }

  /** It has no list any more. */
  releaseList(lists: OwnLists): void {
    lists.release(this.gatewayId, this.#heldRules);
  }

  /** As it is announced to the other nodes and the router, with the list that is held. */
  presence(): TunnelPresence {
    return {
      tunnelId: this.id,
      gatewayId: this.gatewayId,
      clientId: this.clientId,
      bootId: this.bootId,
      tokenId: this.tokenId,
      transport: this.session.transport === 'websocket' ? 'websocket' : 'direct',
      address: this.session.remoteAddress,
      connectedAt: this.session.connectedAt.toISOString(),
      facts: this.facts,
      ownRules: this.#heldRules,
      features: [...this.features],
    };
  }

  /** Takes no more streams, neither new ones nor those that look for another path. */
  retire(): void {
    this.session.usable = false;
  }

  /** Tells the client why and closes. Its streams have been moved or reset before, or wait for another path. */
  close(why: EdgeError): void {
    this.session.refuse(GoAwayCode.Refused, `${why.code}: ${why.message}`);
  }
}

/** Who is told of tunnels that come, change and go. */
export interface TunnelObserver {
  /** Came up, or changed. */
  tunnelUp(tunnel: TunnelPresence): void;
  tunnelDown(tunnelId: string): void;
}

/** A client says something that is not about its tunnel. */
export type OnControl = (tunnel: Tunnel, body: Control) => void;

const controlCheck = Compile(Control);
const tellDelayMs = 1_000;
/** Rules of changed lists that the others are told of a gateway at a time: a second's are some megabytes for each of them. */
export const rulesToldMax = 8_000;
/** What else is told of a tunnel takes as much as so many rules. */
const rulesPerTunnel = 16;
/** Lines a second for the tunnels of one gateway, whose clients may open and cut them all the time. */
const linesPerSecondMax = 100;
const gatewaysMax = 10_000;

/** All tunnels of this node. */
export class Tunnels {
  readonly #observer: TunnelObserver;
  readonly #logger: Logger;
  /** By gateway. */
  readonly #lines = new Map<string, LineLimit>();
  readonly #bySession = new Map<Session, Tunnel>();
  readonly #byGateway = new Multimap<Tunnel>();
  /** By gateway and client ID. */
  readonly #byClient = new Multimap<Tunnel>();
  readonly #lists = new OwnLists();
  readonly #changed = new Set<Tunnel>();
  readonly #onControl: OnControl;
  readonly #onOwnRules: (gatewayId: string) => void;
  #tellTimer: NodeJS.Timeout | null = null;

  /** `onOwnRules`: clients of the gateway have other lists of their own. */
  constructor(
    observer: TunnelObserver,
    logger: Logger,
    onControl: OnControl = () => {},
    onOwnRules: (gatewayId: string) => void = () => {},
  ) {
    this.#observer = observer;
    this.#logger = logger;
    this.#onControl = onControl;
    this.#onOwnRules = onOwnRules;
  }

  get size(): number {
    return this.#bySession.size;
  }

  all(): Iterable<Tunnel> {
    return this.#bySession.values();
  }

  /** The tunnels of a gateway. */
  of(gatewayId: string): Iterable<Tunnel> {
    return this.#byGateway.get(gatewayId);
  }

  /** The tunnels of one client; costs as much as it has, however many its gateway has. */
  ofClient(gatewayId: string, clientId: string): Tunnel[] {
    return [...this.#byClient.get(`${gatewayId}/${clientId}`)];
  }

  /** How many tunnels a gateway has. */
  countOf(gatewayId: string): number {
    return this.#byGateway.count(gatewayId);
  }

  /** How many each row of the metrics has. */
  countsOf(gatewayIds: readonly string[]): number[] {
    return countsOfRows(gatewayIds, this.#byGateway);
  }

  byTransport(): { direct: number; websocket: number } {
    const counts = { direct: 0, websocket: 0 };
    for (const { session } of this.all())
      counts[session.transport === 'websocket' ? 'websocket' : 'direct'] += 1;
    return counts;
  }

  /** How many lines the log has for the tunnels of a gateway. */
  linesOf(gatewayId: string): LineLimit {
    const lines = this.#lines.get(gatewayId) ?? new LineLimit(linesPerSecondMax);
    setNewest(this.#lines, gatewayId, lines, gatewaysMax);
    return lines;
  }

  add(tunnel: Tunnel): void {
    this.#bySession.set(tunnel.session, tunnel);
    this.#byGateway.add(tunnel.gatewayId, tunnel);
    this.#byClient.add(`${tunnel.gatewayId}/${tunnel.clientId}`, tunnel);
    tunnel.holdList(this.#lists);
    this.#observer.tunnelUp(tunnel.presence());
    this.#note(tunnel, { name: tunnel.facts.name }, 'a tunnel is up');
  }

  /** The session has closed. */
  remove(session: Session, cause: TunnelError): void {
    const tunnel = this.#bySession.get(session);
    if (tunnel === undefined) return;
    this.#bySession.delete(session);
    tunnel.releaseList(this.#lists);
    this.#byGateway.delete(tunnel.gatewayId, tunnel);
    this.#byClient.delete(`${tunnel.gatewayId}/${tunnel.clientId}`, tunnel);
    this.#observer.tunnelDown(tunnel.id);
    this.#note(tunnel, { code: cause.code }, `a tunnel is down: ${cause.message}`);
  }

  #note(tunnel: Tunnel, more: object, message: string): void {
    const counted = this.linesOf(tunnel.gatewayId).take();
    if (counted !== null) this.#logger.info({ ...aboutTunnel(tunnel), ...more, ...counted }, message);
  }

  /**
   * A client said something: another list of its own, which certificates it wants, or for which destinations it listens.
   * A list counts here at once for what comes; the others are told, and what runs is judged by it, once a second at most
   * and so much of a gateway at a time, so that its clients cannot flood them. Kinds of a later version are passed over.
   */
  handleControl(session: Session, body: unknown): void {
    const tunnel = this.#bySession.get(session);
    if (tunnel === undefined || !controlCheck.Check(body)) return;
    if (body.kind === 'ownRules') this.#handleOwnRules(tunnel, body.rules);
    else this.#onControl(tunnel, body);
  }

  /** Kept among those of all tunnels at once, since many may wait to be told. */
  #handleOwnRules(tunnel: Tunnel, rules: readonly AccessRule[] | null): void {
    tunnel.setOwnRules(rules);
    tunnel.holdList(this.#lists);
    this.#changed.add(tunnel);
    this.#tellLater();
  }

  #tellLater(): void {
    if (this.#tellTimer !== null) return;
    this.#tellTimer = setTimeout(() => this.#tellChanged(), tellDelayMs).unref();
  }

  /** Those that changed first are told first. */
  #tellChanged(): void {
    this.#tellTimer = null;
    const portions = new Portions(rulesToldMax);
    const gatewayIds = new Set<string>();
    for (const tunnel of this.#changed) {
      const isUp = this.#bySession.has(tunnel.session);
      if (isUp) gatewayIds.add(tunnel.gatewayId);
      if (isUp && !portions.take(tunnel.gatewayId, tunnel.ruleCount + rulesPerTunnel)) continue;
      this.#changed.delete(tunnel);
      if (isUp) this.#observer.tunnelUp(tunnel.presence());
    }
    for (const gatewayId of gatewayIds) this.#onOwnRules(gatewayId);
    if (this.#changed.size > 0) this.#tellLater();
  }
}

function aboutTunnel({ id, gatewayId, clientId, tokenId, session }: Tunnel): object {
  const { transport, remoteAddress: address } = session;
  return { tunnelId: id, gatewayId, clientId, tokenId, transport, address };
}
