/**
 * Destinations with their fronts. A front's host and port are fixed when the destination is made and stay through every
 * edit, also when it is disabled; they change only when an operator gives others by value, and then the old port
 * rests. A cloud destination has no front; its `clientPort` is one of its gateway's alone. A destination belongs to its gateway for life: asked for behind another, it does not exist.
 */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import {
  ServiceError,
  type Destination,
  type DestinationFront,
  type DestinationInput,
  type MergePatch,
  cloudDestinationsMax,
} from '@postern/contracts';
import { fitPage } from '@postern/replica';
import { every, newId, type Collection, type Page } from '@postern/store';
import { type CheckCertificates, type Naming, namesTheSame } from './certificate-check.ts';
import type { DestinationDocument, DestinationForm, FrontForm, GatewayDocument } from './document.ts';
import {
  clientPortTaken,
  destinationNotFound,
  frontTaken,
  gatewayNotFound,
  invalid,
  limitReached,
  revisionStale,
} from './errors.ts';
import { destinationForm, patchDestination, wholeFront } from './form.ts';
import { holderFor, portOf, type Claimant, type FrontClaims, type FrontPort } from './front-claims.ts';
import type { Draft, Journal } from './journal.ts';
import { defaultHost, frontUrl } from './naming.ts';
import { type PageRequest, pageItemsDefault } from './page.ts';
import { rememberDeleted, wasDeleted } from './deletions.ts';
import { demandUnreleased } from './released-certificates.ts';
import { warningsOf } from './warnings.ts';

/** A form whose front, where it has one, is taken. */
type Taken = Omit<DestinationForm, 'front' | 'clientPort'> &
  Pick<DestinationDocument, 'front' | 'clientPort'>;

/** What hosts are made of, and how many destinations a gateway may have. */
export interface DestinationOptions {
  platformHost: string;
  frontHost: string;
  sharedPort: number;
  sharedHttpPort: number;
  destinationsPerGatewayMax: number;
}

/** The destinations that the router owns. */
export class Destinations {
  readonly #journal: Journal;
  readonly #claims: FrontClaims;
  readonly #options: DestinationOptions;
  readonly #checkCertificates: CheckCertificates;

  constructor(parts: {
    journal: Journal;
    claims: FrontClaims;
    options: DestinationOptions;
    checkCertificates: CheckCertificates;
  }) {
    this.#journal = parts.journal;
    this.#claims = parts.claims;
    this.#options = parts.options;
    this.#checkCertificates = parts.checkCertificates;
  }

  /** Makes one and takes its front. `keyGateways` is what the API key is for that asks, where it is not for all. */
  async create(gatewayId: string, input: DestinationInput, keyGateways?: string[]): Promise<Destination> {
    const form = destinationForm(input);
    await this.#checkCertificates(gatewayId, this.#naming(form, gatewayId), { keyGateways });
    const { destinationsPerGatewayMax } = this.#options;
    return this.#journal.change(async (draft) => {
      const gateway = await draft.gateways.get(gatewayId);
      if (gateway === null) throw gatewayNotFound(gatewayId);
      if ((await draft.destinations.count({ gatewayId })) >= destinationsPerGatewayMax) {
        throw limitReached('destinations behind one gateway', destinationsPerGatewayMax);
      }
      const id = newId();
      const at = this.#journal.time();
      await demandUnreleased(draft, this.#naming(form, gatewayId), at);
      const taken = await this.#take(draft, form, { gatewayId, destinationId: id, keyGateways });
      draft.touchRoute(id);
      draft.tell({ kind: 'destination', action: 'created', id, gatewayId });
      const own = { id, revision: 1, createdAt: at, modifiedAt: at, gatewayId };
      return showDestination(await draft.destinations.insert({ ...own, ...taken }), gateway);
    });
  }

  /** One, as it is shown; of one that is not there, whether it was deleted, alone or with its gateway. */
  async get(gatewayId: string, id: string): Promise<Destination> {
    const { gateways, destinations, deleted } = this.#journal.documents;
    const found = await destinations.get(id);
    if (found?.gatewayId !== gatewayId)
      throw destinationNotFound(gatewayId, id, { deleted: await wasDeleted(deleted, id, gatewayId) });
    return showDestination(found, await gateways.get(gatewayId));
  }

  /** A page of a gateway's. */
  async list({ gatewayId, ...request }: PageRequest & { gatewayId: string }): Promise<Page<Destination>> {
    const { gateways, destinations } = this.#journal.documents;
    const gateway = await gateways.get(gatewayId);
    if (gateway === null) throw gatewayNotFound(gatewayId);
    const page = await destinations.list({ filter: { gatewayId }, limit: pageItemsDefault, ...request });
    const items = page.items.map((one) => showDestination(one, gateway));
    return fitPage({ items, nextCursor: page.nextCursor }, ({ id }) => id);
  }

  /** Applies a merge patch. */
  async update(
    gatewayId: string,
    id: string,
    patch: MergePatch,
    { revision, keyGateways }: { revision?: number | undefined; keyGateways?: string[] | undefined } = {},
  ): Promise<Destination> {
    const before = await find(this.#journal.documents.destinations, gatewayId, id, revision);
    // Asked outside of the transaction, which waits for nothing but documents.
    const checked = this.#naming(patchDestination(before, patch), gatewayId);
    await this.#checkCertificates(gatewayId, checked, { before, keyGateways });
    return this.#journal.change(async (draft) => {
      const found = await find(draft.destinations, gatewayId, id, revision);
      const form = patchDestination(found, patch);
      if (!namesTheSame(this.#naming(form, gatewayId), checked)) {
        throw revisionStale(`destination ${id}`, before.revision, found.revision);
      }
      if (!namesTheSame(checked, found)) await demandUnreleased(draft, checked, this.#journal.time());
      const moved = await this.#move(draft, found, form, keyGateways);
      draft.touchRoute(id);
      draft.tell({ kind: 'destination', action: 'updated', id, gatewayId });
      const changed = { ...found, ...moved, modifiedAt: this.#journal.time() };
      return showDestination(await draft.destinations.replace(changed), await draft.gateways.get(gatewayId));
    });
  }

  /** Deletes one; its port rests. */
  async delete(gatewayId: string, id: string, revision?: number): Promise<void> {
    await this.#journal.change(async (draft) => {
      const found = await find(draft.destinations, gatewayId, id, revision);
      await draft.destinations.delete(id, found.revision);
      await rememberDeleted(draft, id, this.#journal.time());
      if (found.front !== undefined)
        await this.#claims.release(draft.fronts, { gatewayId, destinationId: id });
      draft.touchRoute(id);
      draft.tell({ kind: 'destination', action: 'deleted', id, gatewayId });
    });
  }

  /** The form with the host that its front is to have. */
  #naming(form: DestinationForm, gatewayId: string): Naming {
    if (form.kind === 'cloud') return form;
    const host = this.#hostOf(form.name, form.front, gatewayId);
    return { ...form, front: { ...form.front, host, port: form.front.port ?? 1 } };
  }

  #hostOf(name: string, front: FrontForm, gatewayId: string): string {
    const { frontHost, platformHost, sharedHttpPort } = this.#options;
    // Names matter where there is TLS, or where Host tells fronts apart; others are reached wherever their port is.
    const byHost = front.protocol === 'http' && front.port === sharedHttpPort;
    const plainHost = front.tls.mode === 'none' && !byHost ? frontHost : '';
    return front.host ?? (plainHost || defaultHost(name, gatewayId, platformHost.toLowerCase()));
  }

  /** The form with the front that it takes, or whose port at the client is free. */
  async #take(draft: Draft, form: DestinationForm, claimant: Claimant): Promise<Taken> {
    if (form.kind === 'cloud') {
      await this.#checkClientPort(draft, form, claimant);
      return form;
    }
    return { ...form, front: await this.#takeFront(draft, form, claimant) };
  }

  async #move(
    draft: Draft,
    found: DestinationDocument,
    form: DestinationForm,
    keyGateways: string[] | undefined,
  ): Promise<Taken> {
    const claimant = { gatewayId: found.gatewayId, destinationId: found.id, keyGateways };
    if (form.kind === 'cloud' || found.front === undefined) return this.#take(draft, form, claimant);
    return { ...form, front: await this.#moveFront(draft, claimant, found.front, form.front) };
  }

  async #takeFront(
    draft: Draft,
    { name, front }: DestinationForm & { kind: 'on-premises' },
    claimant: Claimant,
  ): Promise<DestinationFront> {
    const { sharedPort } = this.#options;
    if (front.host !== null) this.#claims.checkHost(front.host, claimant.gatewayId);
    const host = this.#hostOf(name, front, claimant.gatewayId);
    const port = front.port ?? (front.tls.mode === 'none' || isIP(host) !== 0 ? null : sharedPort);
    const { transport } = portOf({ ...front, port: 0 });
    const taken = {
      ...front,
      host,
      port: port ?? (await this.#claims.allot(draft.fronts, transport, claimant)),
    };
    this.#checkName(taken);
    await this.#checkPlatformName(draft, taken, claimant);
    if (port === null) return taken;
    await this.#claims.claim(draft.fronts, this.#claims.placeOf(taken), claimant);
    return taken;
  }

  async #moveFront(
    draft: Draft,
    claimant: Claimant,
    former: DestinationFront,
    wanted: FrontForm,
  ): Promise<DestinationFront> {
    const host = wanted.host ?? former.host.toLowerCase();
    const moved = { ...wanted, host, port: wanted.port ?? former.port };
    if (moved.host !== former.host.toLowerCase()) this.#claims.checkHost(moved.host, claimant.gatewayId);
    this.#checkName(moved);
    if (!isDeepStrictEqual(calledBy(moved), calledBy(former)))
      await this.#checkPlatformName(draft, moved, claimant);
    const [from, to] = [this.#claims.placeOf(former), this.#claims.placeOf(moved)];
    if (isDeepStrictEqual(from, to)) return moved;
    // Beside a port of its own the host was no name that anybody was found by.
    if (to.name !== undefined) this.#claims.checkHost(moved.host, claimant.gatewayId);
    if (wanted.port !== null) await this.#claims.claim(draft.fronts, to, claimant);
    else {
      moved.port = await this.#claimOrAllot(draft, to, claimant);
      this.#checkName(moved);
    }
    await this.#claims.release(draft.fronts, claimant, this.#claims.placeOf(moved));
    return moved;
  }

  /** The port of a front that is told apart otherwise from now on, if it can have it, and else another. */
  async #claimOrAllot(draft: Draft, wanted: FrontPort, claimant: Claimant): Promise<number> {
    try {
      await this.#claims.claim(draft.fronts, wanted, claimant);
      return wanted.port;
    } catch (error) {
      // A name was asked for, and is no other on another port.
      if (wanted.name !== undefined) throw error;
      if (!(error instanceof ServiceError) || !error.body.code.startsWith('ROUTER_FRONT_')) throw error;
      return this.#claims.allot(draft.fronts, wanted.transport, claimant);
    }
  }

  #checkName(front: DestinationFront): void {
    const { host, tls } = front;
    checkCertificateName(front, this.#options.platformHost);
    if (tls.mode !== 'none') return;
    const { name } = this.#claims.placeOf(front);
    if (name !== undefined && isIP(host) !== 0) throw invalid([{ path: '/front/host', message: wantsName }]);
    if (name === undefined && host.startsWith('*.'))
      throw invalid([{ path: '/front/host', message: wantsShared }]);
  }

  /**
   * Where the platform's certificate is shown for a name, callers of the name believe whoever shows it; so no other gateway
   * has a front that is called by that name. Of two that want it at once the later one reads again (`Journal`).
   */
  async #checkPlatformName(draft: Draft, front: DestinationFront, claimant: Claimant): Promise<void> {
    const { host } = front;
    const isByName = (one: DestinationFront): boolean =>
      one.tls.mode !== 'none' || this.#claims.placeOf(one).name !== undefined;
    if (!host.endsWith(`.${this.#options.platformHost.toLowerCase()}`) || !isByName(front)) return;
    const shows = showsPlatformCertificate(front);
    if (shows) await this.#claims.checkShared(draft.fronts, host, claimant);
    for await (const other of every(draft.destinations, { filter: { 'front.host': host } })) {
      if (other.front === undefined || other.gatewayId === claimant.gatewayId) continue;
      const theirs = wholeFront(other.front);
      if (isByName(theirs) && (shows || showsPlatformCertificate(theirs)))
        throw frontTaken(host, holderFor(claimant, { ...other, destinationId: other.id }));
    }
  }

  /** Of two that want one port at once the later one reads again (`Journal`). */
  async #checkClientPort(
    draft: Draft,
    form: DestinationForm & { kind: 'cloud' },
    { gatewayId, destinationId }: Claimant,
  ): Promise<void> {
    const { clientPort, resource } = form;
    const wanted = portOf({ protocol: resource.protocol, port: clientPort });
    let others = 0;
    for await (const other of every(draft.destinations, { filter: { gatewayId } })) {
      if (other.clientPort === undefined || other.id === destinationId) continue;
      others += 1;
      const held = portOf({ protocol: other.resource.protocol, port: other.clientPort });
      if (held.port === wanted.port && held.transport === wanted.transport) {
        throw clientPortTaken(`${wanted.port} (${wanted.transport})`, other);
      }
    }
    if (others >= cloudDestinationsMax) {
      throw limitReached('cloud destinations behind one gateway', cloudDestinationsMax);
    }
  }
}

const wantsName = 'must be a name where the port is shared: Host tells the fronts there apart';
const wantsShared =
  'may be a wildcard only on the port that plain HTTP fronts share, where Host is held against it';

/** What decides who calls a front, and what certificate he is shown. */
function calledBy({ host, port, tls }: DestinationFront): unknown {
  return [host.toLowerCase(), port, tls.mode, tls.certificateId];
}

/** A front without a certificate of its own has the platform's. */
function showsPlatformCertificate({ tls }: DestinationFront): boolean {
  return (tls.mode === 'server' || tls.mode === 'mutual') && tls.certificateId === null;
}

/** The platform's is good for one label below its host. */
function checkCertificateName(front: DestinationFront, platformHost: string): void {
  if (!showsPlatformCertificate(front)) return;
  const { host } = front;
  const below = `.${platformHost}`.toLowerCase();
  const label = host.toLowerCase().endsWith(below) ? host.slice(0, -below.length) : '.';
  if (!label.includes('.') && label !== '*') return;
  const message =
    `must be given: the platform's own certificate is good for names one label below ${platformHost} only, ` +
    `as a front.host of <name>-<gateway>.${platformHost} is, and not for ${host}`;
  throw invalid([{ path: '/front/tls/certificateId', message }]);
}

/** A destination as it is shown, behind that gateway. */
function showDestination(document: DestinationDocument, gateway: GatewayDocument | null): Destination {
  const { front: stored, ...rest } = document;
  const front = stored === undefined ? undefined : wholeFront(stored);
  const shown = { ...rest, warnings: warningsOf({ ...rest, front }, gateway, new Date()) };
  return front === undefined ? shown : { ...shown, front: { ...front, url: frontUrl(front) } };
}

async function find(
  destinations: Collection<DestinationDocument>,
  gatewayId: string,
  id: string,
  revision?: number,
): Promise<DestinationDocument> {
  const found = await destinations.get(id);
  if (found === null || found.gatewayId !== gatewayId) throw destinationNotFound(gatewayId, id);
  if (revision !== undefined && revision !== found.revision) {
    throw revisionStale(`destination ${id}`, revision, found.revision);
  }
  return found;
}
