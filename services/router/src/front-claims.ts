/**
 * Who holds which front: a port, or a name on one of the platform's two ports, where server names tell TLS fronts apart
 * and Host tells plain HTTP ones. A name belongs to one gateway on both. A front is taken by inserting its document, so the store decides between two who want it; a freed one stays as a document that rests,
 * and its gateway alone may have it back until then. How many of one gateway rest is bounded.
 *
 *            claim                    release
 *   (none) ────────► held by a ───────────────► rests ── rest is over: swept ──► (none)
 *                    destination ◄───────────────┘ claim by the same gateway
 *
 * Runs inside its caller's transaction and never opens one of its own. Where a chosen port is lost to another at the
 * same moment, the whole transaction fails with `STORE_DUPLICATE`, and `retryAllotting` runs it again.
 */
import type { DestinationFront, StreamProtocol } from '@postern/contracts';
import { StoreError, every, pageItemsMax, type Collection, type Filter } from '@postern/store';
import { deleteUnchanged, type FrontDocument } from './document.ts';
import { frontReserved, frontResting, frontTaken, portsExhausted } from './errors.ts';
import { gatewayOfHost } from './naming.ts';

/** The bounds of what may be claimed. */
export interface FrontClaimOptions {
  platformHost: string;
  frontPortFirst: number;
  frontPortLast: number;
  reservedPorts: readonly number[];
  /** The platform's own port, shared by the fronts that a server name tells apart. */
  sharedPort: number;
  /** The port that plain HTTP fronts share, told apart by Host. */
  sharedHttpPort: number;
  portRestDays: number;
}

/** A port as the system knows it: those of TCP and of UDP are apart. With a name it is that name on a shared port. */
export interface FrontPort {
  transport: 'tcp' | 'udp';
  port: number;
  name?: { by: 'tls' | 'http'; host: string };
}

/** Whether a node can listen on a port, as far as that can be known where ports are allotted. */
export type IsPortFree = (transport: FrontPort['transport'], port: number) => Promise<boolean>;

/** Who claims. */
export interface Claimant {
  gatewayId: string;
  destinationId: string;
  /** All gateways of the API key that asks; left out of one that is for all. */
  keyGateways?: readonly string[] | undefined;
}

/** Most names, and ports outside of the range, of one gateway that rest. */
export const restingOthersMax = 1_000;

const attemptsMax = 16;
const dayMs = 86_400_000;

/** Takes, allots and frees the ports of fronts. */
export class FrontClaims {
  readonly #options: FrontClaimOptions;
  readonly #now: () => number;
  readonly #isPortFree: IsPortFree;

  constructor(options: FrontClaimOptions, now: () => number, isPortFree: IsPortFree = async () => true) {
    this.#options = options;
    this.#now = now;
    this.#isPortFree = isPortFree;
  }

  /** Takes this port for the claimant. Throws `ROUTER_FRONT_RESERVED`, `ROUTER_FRONT_TAKEN` or `ROUTER_FRONT_RESTING`. */
  async claim(fronts: Collection<FrontDocument>, wanted: FrontPort, claimant: Claimant): Promise<void> {
    const { port, name } = wanted;
    if (name === undefined && this.#isReserved(port)) throw frontReserved(`port ${port}`);
    if (name !== undefined) {
      await this.#checkOtherPort(fronts, name, claimant);
      await this.#checkWildcardOver(fronts, { ...wanted, name }, claimant);
    }
    const { gatewayId, destinationId } = claimant;
    const id = frontId(wanted);
    const held: FrontDocument = { id, revision: 1, port, gatewayId, destinationId, restsUntil: null };
    const found = await fronts.get(held.id);
    if (found === null) {
      await fronts.insert(held);
      return;
    }
    if (found.destinationId !== null) throw frontTaken(frontText(wanted), holderFor(claimant, found));
    if (this.#rests(found) && found.gatewayId !== claimant.gatewayId) {
      throw frontResting(frontText(wanted), found.restsUntil ?? '');
    }
    await fronts.replace({ ...held, revision: found.revision });
  }

  /** Takes the lowest port of the range that is neither held nor resting nor another program's. Throws `ROUTER_PORTS_EXHAUSTED`. */
  async allot(
    fronts: Collection<FrontDocument>,
    transport: FrontPort['transport'],
    claimant: Claimant,
  ): Promise<number> {
    const { frontPortFirst, frontPortLast } = this.#options;
    const taken = new Set<number>();
    for await (const front of everyFront(fronts, { prefix: `${transport}:` })) {
      if (front.destinationId !== null || this.#rests(front)) taken.add(front.port);
    }
    for (let port = frontPortFirst; port <= frontPortLast; port += 1) {
      if (taken.has(port) || this.#isReserved(port) || !(await this.#isPortFree(transport, port))) continue;
      await this.claim(fronts, { transport, port }, claimant);
      return port;
    }
    throw portsExhausted(frontPortFirst, frontPortLast);
  }

  /**
   * Lets go of what a destination holds, or all destinations of the gateway, but for `kept`; it rests from now on. What is
   * held is read from the documents, since settings that say which ports are shared may be others by now.
   */
  async release(
    fronts: Collection<FrontDocument>,
    { gatewayId, destinationId }: { gatewayId: string; destinationId?: string },
    kept?: FrontPort,
  ): Promise<void> {
    const keptId = kept === undefined ? null : frontId(kept);
    const own = await Array.fromAsync(everyFront(fronts, { filter: { gatewayId } }));
    const resting = own.filter((front) => front.destinationId === null);
    for (const front of own) {
      const isMeant = destinationId === undefined || front.destinationId === destinationId;
      if (front.destinationId === null || !isMeant || front.id === keptId) continue;
      resting.push(await fronts.replace(this.rested(front)));
    }
    await this.#endRests(fronts, resting);
  }

  /** The same front, let go of: it rests from now on, or as it did. */
  rested(front: FrontDocument): FrontDocument {
    if (front.destinationId === null) return front;
    const restsUntil = new Date(this.#now() + this.#options.portRestDays * dayMs).toISOString();
    return { ...front, destinationId: null, restsUntil };
  }

  /** One gateway's resting fronts leave half of the range to the others: of more, those that would rest the shortest go. */
  async #endRests(fronts: Collection<FrontDocument>, resting: readonly FrontDocument[]): Promise<void> {
    const { frontPortFirst, frontPortLast } = this.#options;
    const isOfRange = ({ id, port }: FrontDocument): boolean =>
      /^(tcp|udp):/.test(id) && port >= frontPortFirst && port <= frontPortLast;
    const half = Math.floor((frontPortLast - frontPortFirst + 1) / 2);
    const byKind = Map.groupBy(resting, (front) => (isOfRange(front) ? front.id.slice(0, 3) : 'other'));
    for (const [kind, some] of byKind) {
      const over = some.length - (kind === 'other' ? restingOthersMax : half);
      const shortestFirst = some.toSorted((a, b) => restEnd(a) - restEnd(b));
      for (const { id, revision } of shortestFirst.slice(0, Math.max(0, over)))
        await fronts.delete(id, revision);
    }
  }

  /** Where a front is: a port of its own, or its name on a shared port where server name or Host can tell it apart. */
  placeOf(front: Pick<DestinationFront, 'protocol' | 'host' | 'port' | 'tls'>): FrontPort {
    const { host, port } = front;
    const by = this.#sharedBy(front);
    return by === null ? portOf(front) : { transport: 'tcp', port, name: { by, host: plainHost(host) } };
  }

  /** The ID of the document that says who has that place. */
  documentIdOf(front: Pick<DestinationFront, 'protocol' | 'host' | 'port' | 'tls'>): string {
    return frontId(this.placeOf(front));
  }

  #sharedBy({ protocol, port, tls }: Pick<DestinationFront, 'protocol' | 'port' | 'tls'>) {
    const { sharedPort, sharedHttpPort } = this.#options;
    if (tls.mode !== 'none') return port === sharedPort ? 'tls' : null;
    return protocol === 'http' && port === sharedHttpPort ? 'http' : null;
  }

  /**
   * Who has a name for TLS has it for plain HTTP too: nobody else is to answer for it there, and the other way round; nor by a
   * wildcard that covers it.
   */
  async #checkOtherPort(
    fronts: Collection<FrontDocument>,
    { by, host }: NonNullable<FrontPort['name']>,
    claimant: Claimant,
  ): Promise<void> {
    const placeOf = (name: string): FrontPort => this.#sharedPlace(by === 'tls' ? 'http' : 'tls', name);
    for (const name of [host, wildcardOver(host)]) {
      const place = placeOf(name);
      this.#demandOwn(place, await fronts.get(frontId(place)), claimant);
    }
    if (!host.startsWith('*.')) return;
    const prefix = frontId(placeOf(''));
    for await (const front of everyFront(fronts, { prefix })) {
      const name = front.id.slice(prefix.length);
      if (wildcardOver(name) === host) this.#demandOwn(placeOf(name), front, claimant);
    }
  }

  /** Refuses a name that is another gateway's on a shared port, or rests there. */
  async checkShared(fronts: Collection<FrontDocument>, host: string, claimant: Claimant): Promise<void> {
    for (const by of ['tls', 'http'] as const) {
      const place = this.#sharedPlace(by, plainHost(host));
      this.#demandOwn(place, await fronts.get(frontId(place)), claimant);
    }
  }

  #sharedPlace(by: 'tls' | 'http', host: string): FrontPort {
    const { sharedPort, sharedHttpPort } = this.#options;
    return { transport: 'tcp', port: by === 'tls' ? sharedPort : sharedHttpPort, name: { by, host } };
  }

  #demandOwn(place: FrontPort, found: FrontDocument | null, claimant: Claimant): void {
    if (found === null || found.gatewayId === claimant.gatewayId) return;
    if (found.destinationId !== null) throw frontTaken(frontText(place), holderFor(claimant, found));
    if (this.#rests(found)) throw frontResting(frontText(place), found.restsUntil ?? '');
  }

  /** An exact name goes before a wildcard: whose key is for certain gateways takes none from another's callers so. */
  async #checkWildcardOver(
    fronts: Collection<FrontDocument>,
    { name, ...wanted }: Required<FrontPort>,
    { gatewayId, keyGateways }: Claimant,
  ): Promise<void> {
    const place = { ...wanted, name: { ...name, host: wildcardOver(name.host) } };
    const found = keyGateways === undefined ? null : await fronts.get(frontId(place));
    if (found === null || found.destinationId === null || found.gatewayId === gatewayId) return;
    if (keyGateways?.includes(found.gatewayId) !== true) throw frontTaken(frontText(place), null);
  }

  /**
   * Refuses hosts that are the platform's own, below the name under which nodes are reached, or in the form of another
   * gateway's default hosts; and a wildcard for all that is below the platform's.
   */
  checkHost(host: string, gatewayId: string): void {
    const platform = this.#options.platformHost.toLowerCase();
    const wanted = plainHost(host);
    const nodes = `tunnel.${platform}`;
    const isOwn = wanted === platform || wanted === nodes || wanted.endsWith(`.${nodes}`);
    const covers = wanted === `*.${platform}` || wanted === wildcardOver(platform);
    if (isOwn || covers) throw frontReserved(`the host ${host}`);
    const owner = gatewayOfHost(wanted, platform);
    if (owner !== null && owner !== gatewayId)
      throw frontTaken(`${host}, in the form of a default host,`, null);
  }

  /** Forgets ports whose rest is over at this time; says how many. */
  async sweep(fronts: Collection<FrontDocument>, time: number): Promise<number> {
    let swept = 0;
    for await (const front of everyFront(fronts)) {
      if (front.destinationId !== null || restEnd(front) > time) continue;
      if (await deleteUnchanged(fronts, front)) swept += 1;
    }
    return swept;
  }

  #isReserved(port: number): boolean {
    const { reservedPorts, sharedPort, sharedHttpPort } = this.#options;
    return reservedPorts.includes(port) || port === sharedPort || port === sharedHttpPort;
  }

  #rests(front: FrontDocument): boolean {
    return restEnd(front) > this.#now();
  }
}

/** Runs a transaction again when another took its port at the same moment. */
export async function retryAllotting<R>(work: () => Promise<R>): Promise<R> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'STORE_DUPLICATE' || attempt === attemptsMax)
        throw error;
    }
  }
}

/** Who has a front, as far as the claimant's key may know it: one for certain gateways is told nothing of others. */
export function holderFor(
  { keyGateways }: Claimant,
  { gatewayId, destinationId }: Pick<FrontDocument, 'gatewayId' | 'destinationId'>,
): { gatewayId: string; id: string } | null {
  const isSeen = keyGateways?.includes(gatewayId) ?? true;
  return isSeen && destinationId !== null ? { gatewayId, id: destinationId } : null;
}

/** The port of a front: HTTP runs on TCP. */
export function portOf({ protocol, port }: { protocol: StreamProtocol; port: number }): FrontPort {
  return { transport: protocol === 'udp' ? 'udp' : 'tcp', port };
}

/** The shared ports that fronts have names on, by what tells them apart; as their documents say. */
export function sharedPortsOf(fronts: readonly Pick<FrontDocument, 'id'>[]): Map<'tls' | 'http', number> {
  const ports = new Map<'tls' | 'http', number>();
  for (const { id } of fronts) {
    const [, by, port] = /^(tls|http):(\d{1,5}):/.exec(id) ?? [];
    if (by !== undefined) ports.set(by as 'tls' | 'http', Number(port));
  }
  return ports;
}

function frontId({ transport, port, name }: FrontPort): string {
  return name === undefined ? `${transport}:${port}` : `${name.by}:${port}:${name.host}`;
}

function restEnd({ restsUntil }: FrontDocument): number {
  return restsUntil === null ? 0 : Date.parse(restsUntil);
}

function frontText({ transport, port, name }: FrontPort): string {
  if (name !== undefined) return `${name.host}:${port}`;
  return transport === 'udp' ? `port ${port} (udp)` : `port ${port}`;
}

/** The wildcard that covers a name: it stands for one label. */
function wildcardOver(host: string): string {
  return `*${host.slice(host.indexOf('.'))}`;
}

/** As names are compared. */
function plainHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/** Those that match, of which the ID begins so; no more is read of the others than a page. */
async function* everyFront(
  fronts: Collection<FrontDocument>,
  { filter = {}, prefix = '' }: { filter?: Filter; prefix?: string } = {},
): AsyncGenerator<FrontDocument> {
  for await (const front of every(fronts, { filter, limit: pageItemsMax, cursor: prefix })) {
    if (!front.id.startsWith(prefix)) return;
    yield front;
  }
}
