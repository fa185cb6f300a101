/**
 * Gateways: made, changed, deleted. A gateway's name and whether it is enabled are part of its destinations' routes, so
 * a change of either touches them all; deleting one deletes them and lets their ports rest. What other owners hold
 * of it (policy, tokens, rules) they drop when they are told that it was deleted.
 */
import type { Gateway, GatewayInput, MergePatch } from '@postern/contracts';
import { fitPage } from '@postern/replica';
import { type Collection, every, type Page } from '@postern/store';
import { rememberDeleted, wasDeleted } from './deletions.ts';
import type { GatewayDocument } from './document.ts';
import { gatewayNotFound, limitReached, revisionStale } from './errors.ts';
import { gatewayForm, patchGateway } from './form.ts';
import type { FrontClaims } from './front-claims.ts';
import type { Journal } from './journal.ts';
import { newGatewayId } from './naming.ts';
import { type PageRequest, pageItemsDefault, pageOfIds } from './page.ts';

/** How many clients of a gateway are connected now. */
export type CountClients = (gatewayId: string) => number;

/** The gateways that the router owns. */
export class Gateways {
  readonly #journal: Journal;
  readonly #claims: FrontClaims;
  readonly #countClients: CountClients;
  readonly #gatewaysMax: number;

  constructor(parts: {
    journal: Journal;
    claims: FrontClaims;
    countClients: CountClients;
    gatewaysMax: number;
  }) {
    this.#journal = parts.journal;
    this.#claims = parts.claims;
    this.#countClients = parts.countClients;
    this.#gatewaysMax = parts.gatewaysMax;
  }

  /** Makes one. */
  async create(input: GatewayInput): Promise<Gateway> {
    const form = gatewayForm(input);
    const document = await this.#journal.change(async (draft) => {
      if ((await draft.gateways.count()) >= this.#gatewaysMax)
        throw limitReached('gateways', this.#gatewaysMax);
      const at = this.#journal.time();
      const made = { id: newGatewayId(), revision: 1, createdAt: at, modifiedAt: at, ...form };
      draft.touchGateway(made.id);
      draft.tell({ kind: 'gateway', action: 'created', id: made.id, gatewayId: made.id });
      return draft.gateways.insert(made);
    });
    return this.#show(document);
  }

  /** One, as it is shown; of one that is not there, whether it was deleted. */
  async get(id: string): Promise<Gateway> {
    const { gateways, deleted } = this.#journal.documents;
    const found = await gateways.get(id);
    if (found === null) throw gatewayNotFound(id, { deleted: await wasDeleted(deleted, id) });
    return this.#show(found);
  }

  /** A page of all of them, or of those named. */
  async list({ ids, ...request }: PageRequest & { ids?: readonly string[] }): Promise<Page<Gateway>> {
    const { gateways } = this.#journal.documents;
    const page =
      ids === undefined
        ? await gateways.list({ limit: pageItemsDefault, ...request })
        : await listNamed(gateways, ids, request);
    const items = page.items.map((document) => this.#show(document));
    return fitPage({ items, nextCursor: page.nextCursor }, ({ id }) => id);
  }

  /** Applies a merge patch. */
  async update(id: string, patch: MergePatch, revision?: number): Promise<Gateway> {
    const document = await this.#journal.change(async (draft) => {
      const found = await this.#find(draft.gateways, id, revision);
      const form = patchGateway(found, patch);
      draft.touchGateway(id);
      if (form.name !== found.name || form.enabled !== found.enabled) {
        for await (const destination of every(draft.destinations, { filter: { gatewayId: id } }))
          draft.touchRoute(destination.id);
      }
      draft.tell({ kind: 'gateway', action: 'updated', id, gatewayId: id });
      return draft.gateways.replace({ ...found, ...form, modifiedAt: this.#journal.time() });
    });
    return this.#show(document);
  }

  /** Deletes one with its destinations. */
  async delete(id: string, revision?: number): Promise<void> {
    await this.#journal.change(async (draft) => {
      const found = await this.#find(draft.gateways, id, revision);
      for (const destination of await Array.fromAsync(
        every(draft.destinations, { filter: { gatewayId: id } }),
      )) {
        await draft.destinations.delete(destination.id);
        draft.touchRoute(destination.id);
        draft.tell({ kind: 'destination', action: 'deleted', id: destination.id, gatewayId: id });
      }
      await this.#claims.release(draft.fronts, { gatewayId: id });
      await draft.gateways.delete(id, found.revision);
      await rememberDeleted(draft, id, this.#journal.time());
      draft.touchGateway(id);
      draft.tell({ kind: 'gateway', action: 'deleted', id, gatewayId: id });
    });
  }

  async #find(
    gateways: Collection<GatewayDocument>,
    id: string,
    revision?: number,
  ): Promise<GatewayDocument> {
    const found = await gateways.get(id);
    if (found === null) throw gatewayNotFound(id);
    if (revision !== undefined && revision !== found.revision) {
      throw revisionStale(`gateway ${id}`, revision, found.revision);
    }
    return found;
  }

  #show(document: GatewayDocument): Gateway {
    const clients = this.#countClients(document.id);
    return { ...document, connected: clients > 0, clients };
  }
}

async function listNamed(
  gateways: Collection<GatewayDocument>,
  named: readonly string[],
  request: PageRequest,
): Promise<Page<GatewayDocument>> {
  const { ids, nextCursor } = pageOfIds(named, request);
  const found = await Promise.all(ids.map((id) => gateways.get(id)));
  return { items: found.filter((document) => document !== null), nextCursor };
}
