/**
 * Destinations with their fronts. A front's host and port are fixed when the destination is made and stay through every
 * edit, also when it is disabled; they change only when an operator gives others by value, and then the old port
 * rests. A destination belongs to its gateway for life: asked for behind another, it does not exist.
 */
import type { Destination, DestinationInput, MergePatch } from '@postern/contracts';
import { newId, type Collection } from '@postern/store';
import type { DestinationDocument } from './document.ts';
import { destinationNotFound, gatewayNotFound, limitReached, revisionStale } from './errors.ts';
import { destinationForm, patchDestination, type DestinationForm } from './form.ts';
import type { FrontClaims } from './front-claims.ts';
import type { Draft, Journal } from './journal.ts';
import { defaultHost, frontUrl } from './naming.ts';

const pageItemsDefault = 50;

/** What hosts are made of, and how many destinations a gateway may have. */
export interface DestinationOptions {
  platformHost: string;
  frontHost: string;
  destinationsPerGatewayMax: number;
}

/** The destinations that the router owns. */
export class Destinations {
  readonly #journal: Journal;
  readonly #claims: FrontClaims;
  readonly #options: DestinationOptions;

  constructor(parts: { journal: Journal; claims: FrontClaims; options: DestinationOptions }) {
    this.#journal = parts.journal;
    this.#claims = parts.claims;
    this.#options = parts.options;
  }

  /** Makes one and takes its front. */
  async create(gatewayId: string, input: DestinationInput): Promise<Destination> {
    const form = destinationForm(input);
    const { destinationsPerGatewayMax } = this.#options;
    const document = await this.#journal.change(async (draft) => {
      if ((await draft.gateways.get(gatewayId)) === null) throw gatewayNotFound(gatewayId);
      if ((await draft.destinations.count({ gatewayId })) >= destinationsPerGatewayMax) {
        throw limitReached('destinations behind one gateway', destinationsPerGatewayMax);
      }
      const id = newId();
      const at = this.#journal.time();
      const front = await this.#takeFront(draft, form, { gatewayId, destinationId: id });
      draft.touchRoute(id);
      draft.tell({ kind: 'destination', action: 'created', id, gatewayId });
      return draft.destinations.insert({
        id,
        revision: 1,
        createdAt: at,
        modifiedAt: at,
        gatewayId,
        ...form,
        front,
      });
    });
    return showDestination(document);
  }

  /** One, as it is shown. */
  async get(gatewayId: string, id: string): Promise<Destination> {
    return showDestination(await find(this.#journal.documents.destinations, gatewayId, id));
  }

  /** A page of a gateway's. */
  async list(options: { gatewayId: string; limit?: number; cursor?: string | null }): Promise<{
    items: Destination[];
    nextCursor: string | null;
  }> {
    const { gatewayId, limit = pageItemsDefault, cursor = null } = options;
    const { gateways, destinations } = this.#journal.documents;
    if ((await gateways.get(gatewayId)) === null) throw gatewayNotFound(gatewayId);
    const page = await destinations.list({ filter: { gatewayId }, limit, cursor });
    return { items: page.items.map(showDestination), nextCursor: page.nextCursor };
  }

  /** Applies a merge patch. */
  async update(gatewayId: string, id: string, patch: MergePatch, revision?: number): Promise<Destination> {
    const document = await this.#journal.change(async (draft) => {
      const found = await find(draft.destinations, gatewayId, id, revision);
      const form = patchDestination(found, patch);
      const front = await this.#moveFront(draft, found, form);
      draft.touchRoute(id);
      draft.tell({ kind: 'destination', action: 'updated', id, gatewayId });
      return draft.destinations.replace({ ...found, ...form, front, modifiedAt: this.#journal.time() });
    });
    return showDestination(document);
  }

  /** Deletes one; its port rests. */
  async delete(gatewayId: string, id: string, revision?: number): Promise<void> {
    await this.#journal.change(async (draft) => {
      const found = await find(draft.destinations, gatewayId, id, revision);
      await draft.destinations.delete(id, found.revision);
      await this.#claims.release(draft.fronts, found.front.port, id);
      draft.touchRoute(id);
      draft.tell({ kind: 'destination', action: 'deleted', id, gatewayId });
    });
  }

  async #takeFront(
    draft: Draft,
    form: DestinationForm,
    claimant: { gatewayId: string; destinationId: string },
  ): Promise<DestinationDocument['front']> {
    const { frontHost, platformHost } = this.#options;
    if (form.front.host !== null) this.#claims.checkHost(form.front.host);
    const host = form.front.host ?? (frontHost || defaultHost(form.name, claimant.gatewayId, platformHost));
    if (form.front.port === null) {
      return { ...form.front, host, port: await this.#claims.allot(draft.fronts, claimant) };
    }
    await this.#claims.claim(draft.fronts, form.front.port, claimant);
    return { ...form.front, host, port: form.front.port };
  }

  async #moveFront(
    draft: Draft,
    found: DestinationDocument,
    form: DestinationForm,
  ): Promise<DestinationDocument['front']> {
    const host = form.front.host ?? found.front.host;
    const port = form.front.port ?? found.front.port;
    if (host !== found.front.host) this.#claims.checkHost(host);
    if (port !== found.front.port) {
      await this.#claims.claim(draft.fronts, port, { gatewayId: found.gatewayId, destinationId: found.id });
      await this.#claims.release(draft.fronts, found.front.port, found.id);
    }
    return { ...form.front, host, port };
  }
}

/** A destination as it is shown. */
export function showDestination(document: DestinationDocument): Destination {
  return { ...document, front: { ...document.front, url: frontUrl(document.front) } };
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
