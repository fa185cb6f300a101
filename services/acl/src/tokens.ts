/**
 * Security tokens: made, listed, revoked, recognised. A token is 32 random bytes that admin makes and shows once; what
 * comes here is their hash, by which it is found again. Any number may be valid at once, so a new one can be handed out before
 * the old one is revoked. A revoked or expired one is remembered for a while, so that a refusal can say which.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Actor, Token, TokenInput } from '@postern/contracts';
import { every, newId, type Page } from '@postern/store';
import type { TokenDocument } from './document.ts';
import {
  gatewayUnknown,
  limitReached,
  tokenExpired,
  tokenNotFound,
  tokenRevoked,
  tokenWrong,
} from './errors.ts';
import type { Journal } from './journal.ts';
import type { Policies } from './policies.ts';
import type { Uses } from './uses.ts';

const dayMs = 86_400_000;
const expiresInDaysDefault = 90;
const pageItemsDefault = 50;
/** Remembered ones included, so that a policy with its revoked tokens stays small. */
const rememberedMax = 2000;
/** A token is near its end in the last third of its life, and in the last 30 days of a long one; a day after it, it is shown no more. */
const nearEndMsMax = 30 * dayMs;
const shareNearEnd = 1 / 3;
const shownEndedMs = dayMs;
/** Most that are shown, those that end first. */
const endingMax = 1_000;

/** A token that is near its end, and has not been revoked. */
export interface EndingToken {
  readonly id: string;
  readonly gatewayId: string;
  readonly expiresAt: string;
}

/** The tokens that acl owns. */
export class Tokens {
  readonly #journal: Journal;
  readonly #policies: Policies;
  readonly #tokensPerGatewayMax: number;
  readonly #uses: Uses;
  #ending: readonly EndingToken[] = [];

  constructor(parts: { journal: Journal; policies: Policies; tokensPerGatewayMax: number; uses: Uses }) {
    this.#journal = parts.journal;
    this.#policies = parts.policies;
    this.#tokensPerGatewayMax = parts.tokensPerGatewayMax;
    this.#uses = parts.uses;
  }

  /** Those that are near their end, as of the last sweep. */
  get ending(): readonly EndingToken[] {
    return this.#ending;
  }

  /** Makes one, of which only the hash ever comes here. */
  async create(gatewayId: string, input: TokenInput, hash: string, by?: Actor): Promise<Token> {
    await this.#policies.find(gatewayId, 404);
    const { expiresInDays = expiresInDaysDefault, note = '' } = input;
    const document = await this.#journal.change(async (draft) => {
      // Dropped meanwhile: a token that came after would stay.
      if ((await draft.policies.get(gatewayId)) === null) throw gatewayUnknown(gatewayId, 404);
      this.#checkLimits(
        await draft.tokens.count({ gatewayId, revoked: false }),
        await draft.tokens.count({ gatewayId }),
      );
      const now = this.#journal.now();
      const at = new Date(now).toISOString();
      const made: TokenDocument = {
        id: newId(),
        revision: 1,
        createdAt: at,
        modifiedAt: at,
        gatewayId,
        note,
        hash,
        expiresAt: expiresInDays === 0 ? null : new Date(now + expiresInDays * dayMs).toISOString(),
        revoked: false,
        revokedAt: null,
        createdBy: by ?? null,
      };
      draft.tell({ kind: 'token', action: 'created', id: made.id, gatewayId });
      return draft.tokens.insert(made);
    });
    return this.#show(document);
  }

  /** A page of those that have not been revoked. */
  async list(options: { gatewayId: string; limit?: number; cursor?: string | null }): Promise<Page<Token>> {
    const { gatewayId, limit = pageItemsDefault, cursor = null } = options;
    await this.#policies.find(gatewayId, 404);
    const filter = { gatewayId, revoked: false };
    const page = await this.#journal.documents.tokens.list({ filter, limit, cursor });
    const items = await Promise.all(page.items.map((document) => this.#show(document)));
    return { items, nextCursor: page.nextCursor };
  }

  /** One of them. */
  async get(gatewayId: string, id: string): Promise<Token> {
    const found = await this.#journal.documents.tokens.get(id);
    if (found === null || found.gatewayId !== gatewayId || found.revoked) throw tokenNotFound(id);
    return this.#show(found);
  }

  /** Revokes one: it is refused from now on, and nodes close its tunnels. */
  async revoke(gatewayId: string, id: string): Promise<void> {
    await this.#journal.change(async (draft) => {
      const found = await draft.tokens.get(id);
      if (found === null || found.gatewayId !== gatewayId || found.revoked) throw tokenNotFound(id);
      const at = this.#journal.time();
      await draft.tokens.replace({ ...found, revoked: true, revokedAt: at, modifiedAt: at });
      draft.touch(gatewayId);
      draft.tell({ kind: 'token', action: 'deleted', id, gatewayId });
    });
  }

  /**
   * The valid token of this gateway that has the hash, which is used by that. Throws `ACL_TOKEN_WRONG`, `ACL_TOKEN_REVOKED` or
   * `ACL_TOKEN_EXPIRED`; `STORE_CLOCK_OFF` where it has expired by a clock alone that is not the database’s.
   */
  async recognise(gatewayId: string, hash: string): Promise<TokenDocument> {
    const found = await this.#journal.documents.tokens.find({ hash });
    if (found === null || found.gatewayId !== gatewayId || !sameHash(found.hash, hash)) throw tokenWrong();
    if (found.revokedAt !== null) throw tokenRevoked(found.revokedAt);
    if (this.#expired(found)) {
      // A client that is told so ends: by a wrong clock all clients would.
      await this.#journal.demandClock();
      throw tokenExpired(found.expiresAt ?? '');
    }
    this.#uses.note(found.id);
    return found;
  }

  /** Forgets those that expired or were revoked before that time, and says how many; looks which are near their end. */
  async sweep(before: number): Promise<number> {
    const { tokens } = this.#journal.documents;
    const ending: EndingToken[] = [];
    let swept = 0;
    for await (const token of every(tokens)) {
      const { id, revision, gatewayId, revokedAt, expiresAt } = token;
      if (expiresAt !== null && this.#nearEnd(token)) ending.push({ id, gatewayId, expiresAt });
      const over = revokedAt ?? expiresAt;
      if (over !== null && Date.parse(over) < before && (await tokens.delete(id, revision))) swept += 1;
    }
    this.#ending = ending
      .toSorted((one, other) => Date.parse(one.expiresAt) - Date.parse(other.expiresAt))
      .slice(0, endingMax);
    return swept;
  }

  #nearEnd({ createdAt, expiresAt, revoked }: TokenDocument): boolean {
    if (revoked || expiresAt === null) return false;
    const end = Date.parse(expiresAt);
    const life = end - Date.parse(createdAt);
    const left = end - this.#journal.now();
    return left > -shownEndedMs && left <= Math.min(nearEndMsMax, life * shareNearEnd);
  }

  #checkLimits(live: number, remembered: number): void {
    if (live >= this.#tokensPerGatewayMax) {
      throw limitReached(
        'security tokens of one gateway; revoke those that are not used',
        this.#tokensPerGatewayMax,
      );
    }
    if (remembered >= rememberedMax) {
      throw limitReached('security tokens of one gateway, those revoked of late included', rememberedMax);
    }
  }

  #expired({ expiresAt }: TokenDocument): boolean {
    return expiresAt !== null && Date.parse(expiresAt) <= this.#journal.now();
  }

  async #show(document: TokenDocument): Promise<Token> {
    const { id, revision, createdAt, modifiedAt, gatewayId, note, expiresAt, createdBy = null } = document;
    return {
      id,
      revision,
      createdAt,
      modifiedAt,
      gatewayId,
      note,
      expiresAt,
      expired: this.#expired(document),
      createdBy,
      lastUsedAt: await this.#uses.lastUsedAt(id),
    };
  }
}

function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
