/**
 * API keys: made, listed, deleted, recognised. A key is 32 random bytes that admin makes and shows once; what comes here is their hash.
 * The first key comes from a setting, is an owner's for as long as it is set, and is never stored.
 */
import { timingSafeEqual } from 'node:crypto';
import { secretHash, type Actor, type ApiKey, type ApiKeyInput } from '@postern/contracts';
import { fitPage } from '@postern/replica';
import { newId, type Page } from '@postern/store';
import type { ApiKeyDocument } from './document.ts';
import { apiKeyBySetting, apiKeyNotFound, apiKeyWrong, limitReached } from './errors.ts';
import type { Journal } from './journal.ts';
import type { Policies } from './policies.ts';
import type { Uses } from './uses.ts';

const pageItemsDefault = 50;
const firstKeyId = 'first';

/** The API keys that acl owns. */
export class ApiKeys {
  readonly #journal: Journal;
  readonly #policies: Policies;
  readonly #apiKeysMax: number;
  readonly #first: ApiKeyDocument | null;
  readonly #uses: Uses;

  constructor(parts: {
    journal: Journal;
    policies: Policies;
    apiKeysMax: number;
    firstApiKey: string | null;
    uses: Uses;
  }) {
    this.#journal = parts.journal;
    this.#policies = parts.policies;
    this.#apiKeysMax = parts.apiKeysMax;
    this.#uses = parts.uses;
    this.#first = parts.firstApiKey === null ? null : firstKey(parts.firstApiKey, parts.journal.time());
  }

  /** Makes one, of which only the hash ever comes here. */
  async create({ name, role, gateways = null }: ApiKeyInput, hash: string, by?: Actor): Promise<ApiKey> {
    for (const gatewayId of gateways ?? []) await this.#policies.find(gatewayId, 404);
    const document = await this.#journal.change(async (draft) => {
      if ((await draft.apiKeys.count()) >= this.#apiKeysMax) throw limitReached('API keys', this.#apiKeysMax);
      const at = this.#journal.time();
      const made = {
        id: newId(),
        revision: 1,
        createdAt: at,
        modifiedAt: at,
        name,
        role,
        gateways,
        hash,
        createdBy: by ?? null,
      };
      draft.tell({ kind: 'api-key', action: 'created', id: made.id, gatewayId: null });
      return draft.apiKeys.insert(made);
    });
    return { ...show(document), lastUsedAt: null };
  }

  /** A page of all of them; the first page begins with the key that a setting gives, which is no document. */
  async list(options: { limit?: number; cursor?: string | null }): Promise<Page<ApiKey>> {
    const { limit = pageItemsDefault, cursor = null } = options;
    const first = cursor === null && this.#first !== null ? [this.#first] : [];
    const left = limit - first.length;
    if (left === 0) return { items: await this.#used(first), nextCursor: firstKeyId };
    const page = await this.#journal.documents.apiKeys.list({
      limit: left,
      cursor: cursor === firstKeyId ? null : cursor,
    });
    const items = await this.#used([...first, ...page.items]);
    return fitPage({ items, nextCursor: page.nextCursor }, ({ id }) => id);
  }

  /** Deletes one. */
  async delete(id: string): Promise<void> {
    if (id === this.#first?.id) throw apiKeyBySetting();
    await this.#journal.change(async (draft) => {
      if (!(await draft.apiKeys.delete(id))) throw apiKeyNotFound(id);
      draft.tell({ kind: 'api-key', action: 'deleted', id, gatewayId: null });
    });
  }

  /** Whose key has this hash, which is used by that. Throws `ACL_API_KEY_WRONG`. */
  async verify(hash: string): Promise<ApiKey> {
    const first = this.#first !== null && sameHash(this.#first.hash, hash) ? this.#first : null;
    const found = first ?? (await this.#journal.documents.apiKeys.find({ hash }));
    if (found === null || !sameHash(found.hash, hash)) throw apiKeyWrong();
    this.#uses.note(found.id);
    return show(found);
  }

  /** Whether there is one of this ID. */
  async has(id: string): Promise<boolean> {
    return id === this.#first?.id || (await this.#journal.documents.apiKeys.get(id)) !== null;
  }

  #used(documents: readonly ApiKeyDocument[]): Promise<ApiKey[]> {
    return Promise.all(
      documents.map(async (document) => ({
        ...show(document),
        lastUsedAt: await this.#uses.lastUsedAt(document.id),
      })),
    );
  }
}

function firstKey(key: string, at: string): ApiKeyDocument {
  const name = 'first API key (by setting)';
  const dated = { revision: 1, createdAt: at, modifiedAt: at };
  return { id: firstKeyId, ...dated, name, role: 'owner', gateways: null, hash: secretHash(key) };
}

function show(document: ApiKeyDocument): ApiKey {
  const { id, revision, createdAt, modifiedAt, name, role, gateways, createdBy = null } = document;
  return { id, revision, createdAt, modifiedAt, name, role, gateways, createdBy };
}

function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
