/**
 * Passwords of proxies. Each is a secret like a private key, an envelope of its own, and never changes: another password
 * is another ID. Whom it may be shown to (gateway, proxy, user) is sealed with it, so that whoever may change a
 * destination cannot have it sent to a proxy of his own.
 *
 * One that no destination names stays for 30 days, because the router's documents may be put back to an earlier moment, and
 * be brought on again: then destinations name what they named at that moment. On another database it does not even find
 * the gateway: until it has deleted that, nothing is dropped.
 *
 *   named ◄──────► unnamed since then ──── 30 days, or more than `unnamedMax`, or gateway deleted ───► dropped
 */
import {
  PasswordContents,
  type PasswordPlace,
  type Route,
  ServiceError,
  passwordIdPrefix,
  isPasswordId,
  passwordPlace,
} from '@postern/contracts';
import { StoreError, every, newId } from '@postern/store';
import { Compile } from 'typebox/compile';
import { type Documents, type SecretDocument, secretCollection } from '../document.ts';
import { openSecret, sealSecret } from '../secret/envelope.ts';
import { certstoreError } from '../errors.ts';
import type { Fault } from '../upload/fitness.ts';
import type { IntakeKey } from './intake-key.ts';
import type { KeyWrapper } from '../secret/key-wrapper.ts';
import type { Usage } from '../usage.ts';

/** The most passwords, those included that the next sweep drops; of one gateway half of it. */
export const passwordsMax = 10_000;
/** A password may be there for so long before it is looked whether a destination names it. */
export const youngMs = 3_600_000;
/** How long one is kept that no destination names. */
export const unnamedLifeMs = 30 * 86_400_000;
/** The most that are kept so, the latest of them; of one gateway a tenth. */
export const unnamedMax = 1000;

const version = 1;
const contentsCheck = Compile(PasswordContents);

/** What they need. */
export interface PasswordsParts {
  readonly documents: Pick<Documents, 'secrets'>;
  readonly usage: Pick<Usage, 'of' | 'demandFresh' | 'gatewayState'>;
  readonly intake: Pick<IntakeKey, 'open'>;
  readonly wrapper: KeyWrapper;
  readonly now: () => Date;
}

/** All of them. */
export class Passwords {
  readonly #parts: PasswordsParts;

  constructor(parts: PasswordsParts) {
    this.#parts = parts;
  }

  /** Stores what admin sealed; resolves with its ID. */
  async create(sealed: string): Promise<string> {
    const { documents, intake, wrapper, now } = this.#parts;
    const contents = await intake.open(sealed);
    if (!contentsCheck.Check(contents))
      throw certstoreError('CERTSTORE_INTAKE_INVALID', 'what was sent is not the password of a proxy');
    const { gatewayId } = contents.place;
    if ((await documents.secrets.count()) >= passwordsMax)
      throw certstoreError('CERTSTORE_LIMIT', `there may be at most ${passwordsMax} keys and passwords`);
    if ((await documents.secrets.count({ gatewayId })) >= passwordsMax / 2) {
      const rule = `one gateway may have at most ${passwordsMax / 2} passwords`;
      const goes = `of those that no destination names, all but ${unnamedMax / 10} go within two hours`;
      throw certstoreError('CERTSTORE_LIMIT', `${rule}; ${goes}`);
    }
    const id = newId(passwordIdPrefix);
    const bytes = Buffer.from(JSON.stringify(contents));
    const envelope = await sealSecret(wrapper, { collection: secretCollection, id, version }, bytes);
    bytes.fill(0);
    await documents.secrets.insert({
      id,
      revision: 1,
      version,
      sealed: envelope,
      storedAt: now().toISOString(),
      gatewayId,
    });
    return id;
  }

  /** Drops one that nothing names. */
  async delete(id: string): Promise<void> {
    if (isPasswordId(id)) await this.#dropUnnamed([id]);
  }

  /** The password, for whoever dials for one of these routes. Rejects where it is none of theirs. */
  async open(id: string, routes: readonly Route[]): Promise<PasswordContents> {
    const contents = await this.#read(id);
    if (
      contents !== null &&
      routes.some((route) => isSame(contents.place, passwordPlace(route.gatewayId, route.resource)))
    )
      return contents;
    throw certstoreError('CERTSTORE_NOT_NEEDED', misplaced(id));
  }

  /** Why a destination may not name it; null when it may. */
  async misfitOf(id: string, place: PasswordPlace | undefined): Promise<Fault | null> {
    let contents: PasswordContents | null;
    try {
      contents = await this.#read(id);
    } catch (error) {
      // One that is damaged is the fault of the field that names it, and of no other that is asked about beside it.
      if (!(error instanceof ServiceError) || error.code !== 'CERTSTORE_SECRET_DAMAGED') throw error;
      return { code: 'CERTSTORE_SECRET_DAMAGED', message: `the password ${id} is damaged: give it again` };
    }
    if (contents === null) {
      const message = `there is no password ${id}: give the password itself`;
      return { code: 'CERTSTORE_CERTIFICATE_NOT_FOUND', message };
    }
    return isSame(contents.place, place) ? null : { code: 'CERTSTORE_NOT_NEEDED', message: misplaced(id) };
  }

  async #read(id: string): Promise<PasswordContents | null> {
    const { documents, wrapper } = this.#parts;
    const secret = await documents.secrets.get(id);
    if (secret === null) return null;
    const bytes = await openSecret(wrapper, { collection: secretCollection, id, version }, secret.sealed);
    const contents: unknown = JSON.parse(bytes.toString('utf8'));
    bytes.fill(0);
    return contentsCheck.Check(contents) ? contents : null;
  }

  /** Drops what no destination names and need not be kept at this time. */
  async sweep(time: number): Promise<void> {
    const { usage } = this.#parts;
    const unnamed = await this.#unnamed(time);
    const goneBefore = new Date(time - unnamedLifeMs).toISOString();
    const [droppable, kept]: [string[], SecretDocument[]] = [[], []];
    for (const [gatewayId, secrets] of Map.groupBy(unnamed, (secret) => secret.gatewayId)) {
      const state = gatewayId === undefined ? 'there' : await usage.gatewayState(gatewayId);
      if (state === 'not found') continue;
      secrets.sort(latestFirst);
      for (const [index, secret] of secrets.entries()) {
        const isOver = state === 'deleted' || index >= unnamedMax / 10 || sinceOf(secret) < goneBefore;
        if (isOver) droppable.push(secret.id);
        else kept.push(secret);
      }
    }
    droppable.push(
      ...kept
        .toSorted(latestFirst)
        .slice(unnamedMax)
        .map(({ id }) => id),
    );
    await this.#dropUnnamed(droppable);
  }

  /** Those that no destination names and that are not young, each with since when that is known. */
  async #unnamed(time: number): Promise<SecretDocument[]> {
    const { documents, usage } = this.#parts;
    const at = new Date(time).toISOString();
    const before = new Date(time - youngMs).toISOString();
    const looked: SecretDocument[] = [];
    for await (const secret of every(documents.secrets)) {
      const { id, storedAt, unnamedSince } = secret;
      if (!isPasswordId(id) || storedAt === undefined || storedAt >= before) continue;
      if (usage.of(id).length === 0 || unnamedSince !== undefined) looked.push(secret);
    }
    if (looked.length === 0) return [];
    await usage.demandFresh();
    const unnamed: SecretDocument[] = [];
    for (const secret of looked) {
      const { unnamedSince, ...named } = secret;
      const isNamed = usage.of(secret.id).length > 0;
      if (!isNamed) unnamed.push({ ...named, unnamedSince: unnamedSince ?? at });
      if (isNamed) await this.#note(named);
      else if (unnamedSince === undefined) await this.#note({ ...named, unnamedSince: at });
    }
    return unnamed;
  }

  /** Where it was changed meanwhile, by a rotation or another replica, the next sweep does it. */
  async #note(secret: SecretDocument): Promise<void> {
    try {
      await this.#parts.documents.secrets.replace(secret);
    } catch (error) {
      if (!(error instanceof StoreError) || !['STORE_STALE', 'STORE_NOT_FOUND'].includes(error.code))
        throw error;
    }
  }

  async #dropUnnamed(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { documents, usage } = this.#parts;
    await usage.demandFresh();
    for (const id of ids) if (usage.of(id).length === 0) await documents.secrets.delete(id);
  }
}

function sinceOf({ unnamedSince = '' }: SecretDocument): string {
  return unnamedSince;
}

function latestFirst(one: SecretDocument, other: SecretDocument): number {
  return sinceOf(one) < sinceOf(other) ? 1 : -1;
}

function isSame(one: PasswordPlace, other: PasswordPlace | undefined): boolean {
  return (
    one.gatewayId === other?.gatewayId &&
    one.host === other.host &&
    one.port === other.port &&
    one.username === other.username &&
    one.address === other.address
  );
}

function misplaced(id: string): string {
  return `the password ${id} was given for another gateway, proxy or user: give it again for this one`;
}
