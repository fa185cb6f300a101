/**
 * Watches how much this node's callers have other nodes relay. A relay costs a hop for each byte, a tunnel of one's own
 * only memory: so a client for whose callers here much is relayed is asked for one more, to this node, and its streams go
 * on over that. What little is relayed stays where it is.
 *
 *     bytes of a second, by client ──more than the bound, twice in a row──► link ──► the node that relays ──► client
 *     its tunnel comes up here ──► its streams leave the relays
 *
 * Asked of each client once a minute at most, also where its tunnel comes and goes: one that will not, or cannot, is served
 * as before.
 */
import type { NodeAddress } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { Endpoint, ProcessName, Session, Stream } from '@postern/tunnel';
import type { Tunnel } from '../client/tunnels.ts';

const lookMs = 1_000;
const busyLooks = 2;
const askAgainMs = 60_000;
/** Clients that are asked in one second; the others are as busy in the next. */
const asksPerLookMax = 16;

/** What is looked at of a stream. */
export type RelayedStream = Pick<Stream, 'scope' | 'peer' | 'bytesReceived' | 'bytesSent'>;

/** What it needs of the node. */
export interface RelayedLoadParts {
  endpoint: Pick<Endpoint, 'moveOffRelays'> & { streamsOver(link: Session): Iterable<RelayedStream> };
  /** Bytes a second for one client from which on it is asked; 0 for never. */
  bytesPerSecondMax: number;
  links(): Iterable<Session>;
  /** The nodes that take tunnels. */
  nodes(): readonly NodeAddress[];
  /** This node's tunnel to a client, if it has one that takes streams. */
  tunnelOf(gatewayId: string, client: ProcessName): Tunnel | null;
  draining(): boolean;
  logger: Logger;
  /** Milliseconds that only grow; for tests. */
  now?: () => number;
}

/** What one client's streams have carried since the last look. */
interface Load {
  readonly gatewayId: string;
  readonly client: ProcessName;
  readonly link: Session;
  bytes: number;
}

/** One for each node. */
export class RelayedLoad {
  readonly #parts: RelayedLoadParts;
  readonly #now: () => number;
  /** What each stream had carried at the last look. */
  #carried = new Map<RelayedStream, number>();
  /** At how many looks in a row a client was busy. */
  #busyLooks = new Map<string, number>();
  /** When a client was asked. */
  readonly #askedAt = new Map<string, number>();
  #asked = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: RelayedLoadParts) {
    this.#parts = parts;
    this.#now = parts.now ?? performance.now.bind(performance);
  }

  /** How many tunnels were asked for. */
  get asked(): number {
    return this.#asked;
  }

  /** Looks once a second from now on, where clients are asked at all. */
  start(): void {
    if (this.#parts.bytesPerSecondMax > 0) this.#timer = setInterval(() => this.look(), lookMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Looks at all relayed streams of this node's. */
  look(): void {
    const now = this.#now();
    for (const [key, at] of this.#askedAt) if (now - at >= askAgainMs) this.#askedAt.delete(key);
    const before = this.#busyLooks;
    this.#busyLooks = new Map();
    let asks = 0;
    for (const [key, load] of this.#measure()) {
      if (load.bytes < this.#parts.bytesPerSecondMax) continue;
      const looks = (before.get(key) ?? 0) + 1;
      this.#busyLooks.set(key, looks);
      if (looks < busyLooks || asks >= asksPerLookMax) continue;
      if (this.#askedAt.has(key) || this.#parts.draining()) continue;
      asks += 1;
      this.#askedAt.set(key, now);
      this.#ask(load);
    }
  }

  /** A neighbour for whose callers this node relays much of a client's wants that client to open a tunnel to it. */
  handleWanted(neighbour: string, gatewayId: string, client: ProcessName): void {
    const node = this.#parts.nodes().find((one) => one.node === neighbour);
    if (node === undefined) return;
    this.#parts.tunnelOf(gatewayId, client)?.session.sendControl({ kind: 'tunnelWanted', node });
  }

  /** A tunnel is up: where it was asked for, what runs through relays comes to it. */
  handleTunnel({ gatewayId, clientId, bootId }: Tunnel): void {
    if (this.#askedAt.has(keyOf(gatewayId, { id: clientId, bootId })))
      this.#parts.endpoint.moveOffRelays(gatewayId, clientId);
  }

  /** A stream that is new at a relay counts whole: many that are short are as much as one that is long. */
  #measure(): Map<string, Load> {
    const loads = new Map<string, Load>();
    const before = this.#carried;
    this.#carried = new Map();
    for (const link of this.#parts.links()) {
      for (const stream of this.#parts.endpoint.streamsOver(link)) {
        const { scope, peer, bytesReceived, bytesSent } = stream;
        const carried = bytesReceived + bytesSent;
        this.#carried.set(stream, carried);
        const bytes = carried - (before.get(stream) ?? 0);
        // Most are idle, and cost no more than this.
        if (bytes === 0) continue;
        const key = keyOf(scope, peer);
        const load = loads.get(key) ?? { gatewayId: scope, client: peer, link, bytes: 0 };
        load.bytes += bytes;
        loads.set(key, load);
      }
    }
    return loads;
  }

  #ask({ gatewayId, client, link, bytes }: Load): void {
    this.#asked += 1;
    const about = { gatewayId, clientId: client.id, relay: link.peer.id, bytesPerSecond: bytes };
    this.#parts.logger.info(about, 'much is relayed for a client: it is asked for a tunnel to this node');
    const { id, bootId } = client;
    link.sendControl({ kind: 'tunnelWanted', gateway: gatewayId, client: { id, bootId } });
  }
}

function keyOf(gatewayId: string, { id, bootId }: ProcessName): string {
  return `${gatewayId}/${id}/${bootId}`;
}
