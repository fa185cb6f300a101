/**
 * Passwords of proxies. Each is a secret like a private key, an envelope of its own, and never changes: another password
 * is another ID. Whom it may be shown to (gateway, proxy, user) is sealed with it, so that whoever may change a
 * destination cannot have it sent to a proxy of his own. One that no destination names is dropped by the sweep, unless the
 * router does not find its gateway and has not deleted it: on another database it has none of the destinations.
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
import { type Page, newId } from '@postern/store';
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
/** A password may be there for so long before a destination names it. */
export const unnamedLifeMs = 3_600_000;

const version = 1;
const pageItems = 100;
const contentsCheck = Compile(PasswordContents);

/** What they need. */
export interface PasswordsParts {
  readonly documents: Pick<Documents, 'secrets'>;
  readonly usage: Pick<Usage, 'of' | 'demandFresh' | 'isGatewayMissing'>;
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
      throw certstoreError('CERTSTORE_LIMIT', `${rule}; those that no destination names go within two hours`);
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

  /** Drops what no destination names. */
  async sweep(): Promise<void> {
    const { documents, usage, now } = this.#parts;
    const before = new Date(now().getTime() - unnamedLifeMs).toISOString();
    const old: SecretDocument[] = [];
    let cursor: string | null = null;
    do {
      const page: Page<SecretDocument> = await documents.secrets.list({ cursor, limit: pageItems });
      for (const secret of page.items) {
        const { id, storedAt } = secret;
        if (isPasswordId(id) && storedAt !== undefined && storedAt < before && usage.of(id).length === 0)
          old.push(secret);
      }
      cursor = page.nextCursor;
    } while (cursor !== null);
    const droppable: string[] = [];
    for (const [gatewayId, secrets] of Map.groupBy(old, (secret) => secret.gatewayId)) {
      if (gatewayId !== undefined && (await usage.isGatewayMissing(gatewayId))) continue;
      droppable.push(...secrets.map(({ id }) => id));
    }
    await this.#dropUnnamed(droppable);
  }

  async #dropUnnamed(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { documents, usage } = this.#parts;
    await usage.demandFresh();
    for (const id of ids) if (usage.of(id).length === 0) await documents.secrets.delete(id);
  }
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
