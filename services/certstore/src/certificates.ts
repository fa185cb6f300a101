/**
 * The certificates that certstore owns. Contents and key are replaced together and count a revision of their own; a
 * change, the key that belongs to it, and what followers are told are one transaction. A certificate that a destination
 * names cannot be deleted, nor get contents that would not do for it.
 */
import { createPrivateKey } from 'node:crypto';
import type { Bus } from '@postern/bus';
import {
  type Certificate,
  type CertificateUse,
  CertificateContents,
  type MergePatch,
  announce,
  ask,
  certstoreChanged,
  lineFault,
  linePattern,
  releaseCertificate,
} from '@postern/contracts';
import { type FeedOwner, fitPage } from '@postern/replica';
import { type Page, type Store, StoreError, TurnQueue, newId } from '@postern/store';
import { Compile } from 'typebox/compile';
import { isDuplicate } from './authority/authority.ts';
import { type Contents, readContents } from './upload/contents.ts';
import { type CertificateDocument, type Documents, secretCollection } from './document.ts';
import { openSecret, sealSecret } from './secret/envelope.ts';
import { certstoreError } from './errors.ts';
import { type CallerCa, callerCaWarnings } from './upload/caller-cas.ts';
import { misfitOf, warningsOf } from './upload/fitness.ts';
import type { IntakeKey } from './material/intake-key.ts';
import type { KeyWrapper } from './secret/key-wrapper.ts';
import { demandNamedAlready } from './naming-permission.ts';
import type { Passwords } from './material/passwords.ts';
import { UploadReader } from './upload/upload-reader.ts';
import type { Usage } from './usage.ts';

const pageItemsDefault = 50;
const nameCharactersMax = 128;
const line = new RegExp(linePattern);
const contentsCheck = Compile(CertificateContents);

/** What they need. */
export interface CertificatesParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly documents: Documents;
  readonly feed: FeedOwner;
  readonly usage: Usage;
  readonly intake: IntakeKey;
  readonly wrapper: KeyWrapper;
  readonly now: () => Date;
  readonly certificatesMax: number;
  readonly passwords: Pick<Passwords, 'misfitOf'>;
}

/** Operators' certificates. */
export class Certificates {
  readonly #parts: CertificatesParts;
  /** Every change raises the same counter, so two at once would only fail and try again. */
  readonly #turns = new TurnQueue();
  readonly #reader = new UploadReader();

  constructor(parts: CertificatesParts) {
    this.#parts = parts;
  }

  /** Stores what was uploaded. */
  async create(name: string, sealed: string): Promise<Certificate> {
    const parts = await this.#reader.read(await this.#open(sealed));
    return this.store(nameOf(name), readContents(parts, this.#parts.now()));
  }

  /** Stores contents, which were made here or uploaded. */
  async store(name: string, contents: Contents, issuerId: string | null = null): Promise<Certificate> {
    return this.#show(await this.#insert(name, contents, issuerId));
  }

  /** The ID of what has these contents; stored where there is none, and once, also when several want it at the same time. */
  async storeOnce(name: string, contents: Contents): Promise<string> {
    const filter = { fingerprint: contents.facts.fingerprint };
    const find = (): Promise<CertificateDocument | null> => this.#parts.documents.certificates.find(filter);
    const known = await find();
    if (known !== null) return known.id;
    try {
      const made = await this.#insert(name, contents, null, async ({ certificates }) => {
        if ((await certificates.find(filter)) !== null)
          throw new StoreError('STORE_DUPLICATE', 'it is there');
      });
      return made.id;
    } catch (error) {
      const other = isDuplicate(error) ? await find() : null;
      if (other === null) throw error;
      return other.id;
    }
  }

  async #insert(
    name: string,
    contents: Contents,
    issuerId: string | null,
    check: (draft: Documents) => Promise<void> = async () => {},
  ): Promise<CertificateDocument> {
    const at = this.#parts.now().toISOString();
    const document: CertificateDocument = {
      id: newId(),
      revision: 1,
      createdAt: at,
      modifiedAt: at,
      name,
      contentRevision: 1,
      issuerId,
      ...storedOf(contents),
    };
    const sealed = await this.#seal(document, contents.keyPem);
    return this.#change('created', document.id, async (draft) => {
      const { certificates, secrets } = draft;
      await check(draft);
      if ((await certificates.count()) >= this.#parts.certificatesMax) {
        throw certstoreError(
          'CERTSTORE_LIMIT',
          `there may be at most ${this.#parts.certificatesMax} certificates`,
        );
      }
      if (sealed !== null) await secrets.insert({ id: document.id, revision: 1, version: 1, sealed });
      return certificates.insert(document);
    });
  }

  /** One. */
  async get(id: string): Promise<Certificate> {
    return this.#show(found(await this.#parts.documents.certificates.get(id), id));
  }

  /** A page of them. */
  async list(options: { limit?: number; cursor?: string | null }): Promise<Page<Certificate>> {
    const { limit = pageItemsDefault, cursor = null } = options;
    const page = await this.#parts.documents.certificates.list({ limit, cursor });
    const items = page.items.map((document) => this.#show(document));
    return fitPage({ items, nextCursor: page.nextCursor }, ({ id }) => id);
  }

  /** Another name, other contents, or both. */
  async update(id: string, patch: MergePatch, sealed?: string, revision?: number): Promise<Certificate> {
    const { documents, now } = this.#parts;
    const { document: before, keyPem } =
      sealed === undefined
        ? { document: found(await documents.certificates.get(id), id), keyPem: null }
        : await this.withKey(id);
    demandRevision(before, revision);
    const name = 'name' in patch ? nameOf(patch['name']) : before.name;
    const changed = { ...before, name, modifiedAt: now().toISOString() };
    if (sealed === undefined) {
      return this.#show(
        await this.#change('updated', id, ({ certificates }) => replaceExactly(certificates, changed)),
      );
    }
    const formerKey = keyPem === null ? undefined : createPrivateKey(keyPem);
    const contents = readContents(await this.#reader.read(await this.#open(sealed)), now(), formerKey);
    const contentRevision = before.contentRevision + 1;
    const after: CertificateDocument = {
      ...changed,
      ...storedOf(contents),
      contentRevision,
      issuerId: null,
    };
    await this.#demandFitness(after);
    const envelope = await this.#seal(after, contents.keyPem);
    const replaced = await this.#change('updated', id, async ({ certificates, secrets }) => {
      const former = await secrets.get(id);
      const secret = { id, version: contentRevision, sealed: envelope ?? '' };
      if (envelope === null) await secrets.delete(id);
      else if (former === null) await secrets.insert({ ...secret, revision: 1 });
      else await secrets.replace({ ...secret, revision: former.revision });
      return replaceExactly(certificates, after);
    });
    return this.#show(replaced);
  }

  /** Deletes one that nothing names. */
  async delete(id: string, revision?: number): Promise<void> {
    const before = found(await this.#parts.documents.certificates.get(id), id);
    demandRevision(before, revision);
    await this.#demandUnused(id);
    await this.#demandNoPair(id);
    // From here on the router takes none that names it; one that it took a moment ago is found by the second look.
    const { bus } = this.#parts;
    const deletion = newId();
    try {
      await ask(bus, releaseCertificate, { id, deletion });
      await this.#demandUnused(id);
      await this.#change('deleted', id, async ({ certificates, secrets }) => {
        demandRevision(found(await certificates.get(id), id), before.revision);
        await certificates.delete(id);
        await secrets.delete(id);
      });
    } catch (error) {
      // Where the store failed it may be deleted all the same. A release that is not taken back ends by itself.
      if (!(error instanceof StoreError))
        await ask(bus, releaseCertificate, { id, deletion, isOver: true }).catch(() => {});
      throw error;
    }
  }

  /**
   * What does not fit of the places that name certificates, for whoever is about to store them. All client CAs of one place
   * are to be in one question.
   */
  async check(
    uses: readonly CertificateUse[],
    keyGateways?: readonly string[],
  ): Promise<{
    faults: { path: string; code: string; message: string }[];
    warnings: { path: string; code: string; message: string }[];
  }> {
    if (keyGateways !== undefined) await demandNamedAlready(this.#parts.usage, uses, keyGateways);
    const faults: { path: string; code: string; message: string }[] = [];
    const warnings: typeof faults = [];
    const callerCas = new Map<string, CallerCa[]>();
    for (const use of uses) {
      if (use.role === 'password') {
        const fault = await this.#parts.passwords.misfitOf(use.id, use.place);
        if (fault !== null) faults.push({ path: use.field, ...fault });
        continue;
      }
      const { role } = use;
      const document = await this.#parts.documents.certificates.get(use.id);
      const path = use.field;
      const fault =
        document === null
          ? { code: 'CERTSTORE_CERTIFICATE_NOT_FOUND', message: `there is no certificate ${use.id}` }
          : misfitOf(document, { ...use, role });
      if (fault !== null) faults.push({ path, ...fault });
      else if (document !== null) {
        warnings.push(...warningsOf(document, this.#parts.now()).map((warning) => ({ path, ...warning })));
        const [, place] = /^(.*\/clientCaIds)\/\d+$/.exec(path) ?? [];
        if (place === undefined) continue;
        callerCas.set(place, [...(callerCas.get(place) ?? []), { path, chainPem: document.chainPem }]);
      }
    }
    return { faults, warnings: [...warnings, ...[...callerCas.values()].flatMap(callerCaWarnings)] };
  }

  /** A certificate with its contents; null when there is none. */
  document(id: string): Promise<CertificateDocument | null> {
    return this.#parts.documents.certificates.get(id);
  }

  /** One with its private key, null where it has none. The two are read one after the other, and are of one version. */
  async withKey(id: string): Promise<{ document: CertificateDocument; keyPem: string | null }> {
    const { documents, wrapper } = this.#parts;
    for (let before = 0; ;) {
      const document = found(await documents.certificates.get(id), id);
      if (!document.hasKey) return { document, keyPem: null };
      const secret = await documents.secrets.get(id);
      if (secret?.version === document.contentRevision) {
        const place = { collection: secretCollection, id, version: secret.version };
        const bytes = await openSecret(wrapper, place, secret.sealed);
        const keyPem = bytes.toString('utf8');
        bytes.fill(0);
        return { document, keyPem };
      }
      // Replaced or deleted between the two reads; where the document is as it was, it was not.
      if (document.revision === before) {
        throw certstoreError(
          'CERTSTORE_SECRET_DAMAGED',
          `the private key of the certificate ${id} is not there`,
        );
      }
      before = document.revision;
    }
  }

  #show(document: CertificateDocument): Certificate {
    const { usage, now } = this.#parts;
    const { chainPem: _chain, ...shown } = document;
    return { ...shown, usedBy: usage.shown(shown.id), warnings: warningsOf(document, now()) };
  }

  async #open(sealed: string): Promise<CertificateContents> {
    const contents = await this.#parts.intake.open(sealed);
    if (contentsCheck.Check(contents)) return contents;
    throw certstoreError('CERTSTORE_INTAKE_INVALID', 'what was sent is not the contents of a certificate');
  }

  async #seal({ id, contentRevision }: CertificateDocument, keyPem: string | null): Promise<string | null> {
    if (keyPem === null) return null;
    const place = { collection: secretCollection, id, version: contentRevision };
    const bytes = Buffer.from(keyPem);
    const sealed = await sealSecret(this.#parts.wrapper, place, bytes);
    bytes.fill(0);
    return sealed;
  }

  async #demandUnused(id: string): Promise<void> {
    const { usage } = this.#parts;
    await usage.demandFresh();
    const [user, ...others] = usage.of(id);
    if (user === undefined) return;
    const { route, field } = user;
    throw certstoreError(
      'CERTSTORE_IN_USE',
      `the destination ${route.name} (${route.id}) of the gateway ${route.gatewayId} names it in ${field}${others.length > 0 ? `, and ${others.length} more` : ''}`,
    );
  }

  /** The list says of each generated pair which CA it is of, and who verifies it finds that CA there. */
  async #demandNoPair(id: string): Promise<void> {
    const pair = await this.#parts.documents.certificates.find({ issuerId: id });
    if (pair === null) return;
    throw certstoreError(
      'CERTSTORE_IN_USE',
      `the generated certificate ${pair.name} (${pair.id}) is of this CA`,
    );
  }

  async #demandFitness(document: CertificateDocument): Promise<void> {
    const { usage } = this.#parts;
    await usage.demandFresh();
    for (const { route, role, field } of usage.of(document.id)) {
      if (role === 'password') continue;
      const host = role === 'server' ? route.front?.host : undefined;
      const misfit = misfitOf(document, { role, ...(host === undefined ? {} : { host }) });
      if (misfit === null) continue;
      const message = `the destination ${route.name} (${route.id}) uses it in ${field}, and for that: ${misfit.message}`;
      throw certstoreError(misfit.code, message);
    }
  }

  async #change<R>(
    action: 'created' | 'updated' | 'deleted',
    id: string,
    work: (draft: Documents) => Promise<R>,
  ): Promise<R> {
    const { store, documents, feed, bus, now } = this.#parts;
    const result = await this.#turns.run(() =>
      store.transaction(async (within) => {
        const done = await work({
          certificates: within(documents.certificates),
          secrets: within(documents.secrets),
        });
        await feed.record(within, [id]);
        return done;
      }),
    );
    feed.beat();
    announce(bus, certstoreChanged, {
      kind: 'certificate',
      action,
      id,
      gatewayId: null,
      at: now().toISOString(),
    });
    return result;
  }
}

function storedOf({ kind, chainPem, keyPem, facts }: Contents) {
  return { kind, chainPem, hasKey: keyPem !== null, ...facts };
}

function nameOf(name: unknown): string {
  if (typeof name === 'string' && name.trim() !== '' && name.length <= nameCharactersMax && line.test(name))
    return name;
  const message = `must be 1 to ${nameCharactersMax} characters and not blank, and ${lineFault}`;
  throw certstoreError('CERTSTORE_INVALID', `/name ${message}`, { errors: [{ path: '/name', message }] });
}

function found(document: CertificateDocument | null, id: string): CertificateDocument {
  if (document !== null) return document;
  throw certstoreError('CERTSTORE_CERTIFICATE_NOT_FOUND', `there is no certificate ${id}`);
}

function demandRevision({ id, revision: actual }: CertificateDocument, expected: number | undefined): void {
  if (expected === undefined || expected === actual) return;
  throw certstoreError(
    'CERTSTORE_REVISION_STALE',
    `someone else changed the certificate ${id}: read it again`,
  );
}

async function replaceExactly(
  certificates: Documents['certificates'],
  document: CertificateDocument,
): Promise<CertificateDocument> {
  demandRevision(found(await certificates.get(document.id), document.id), document.revision);
  return certificates.replace(document);
}
